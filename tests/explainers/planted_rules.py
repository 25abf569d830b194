"""Evidence about the planted neurons, whose rules are known, and what an explainer makes of it."""

from __future__ import annotations

import torch

from benchmark.interface import Evidence, Exemplars
from benchmark.subject import load_subject
from benchmark.subject.planted import RULES
from metrics import compute

CONTEXT, EXPLAIN, EXEMPLARS, HELD_OUT = 24, 8000, 60, 2000


def planted():
    """The planted subject."""
    return load_subject({"name": "planted", "kind": "planted"}, device="cpu")


def contexts(subject, n, seed):
    """Random text in which the rules' words are common, documents beginning anywhere."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = subject.tokenizer.get_vocab()
    words = [vocabulary[word] for rule in RULES for word in rule.words]
    words += list(range(3, 3 + 2 * len(words)))
    tokens = torch.tensor(words)[torch.randint(len(words), (n, CONTEXT), generator=generator)]
    tokens[torch.rand(n, CONTEXT, generator=generator) < 0.05] = subject.bos
    tokens[:, 0] = subject.bos
    return tokens


def evidence_of_rules(subject):
    """Exemplars of every rule, without a sample."""
    tokens = contexts(subject, EXPLAIN, 0)
    activations = subject.activations(tokens, 0)
    neurons = torch.arange(len(RULES))
    maximum = activations.amax((0, 1))
    # Firing contexts tie; the anchor is where a context fires first.
    rows = activations.amax(1).topk(EXEMPLARS, dim=0).indices.T
    own = activations.permute(2, 0, 1)[neurons[:, None], rows]
    return Evidence(
        layer=0,
        neurons=neurons,
        bos=subject.bos,
        max_activation=maximum,
        mean_activation=activations.mean((0, 1)),
        firing_threshold=maximum / 2,
        exemplars=Exemplars(tokens[rows], own, own.argmax(-1)),
        sample=None,
    )


def explained_rules(explainer, subject):
    """An explanation per rule, and F1, precision and recall on other text."""
    evidence = evidence_of_rules(subject)
    explanations = explainer.explain(evidence, subject)
    held_out = contexts(subject, HELD_OUT, 1)
    text = held_out != subject.bos
    truth = subject.activations(held_out, 0)[text].T
    prediction = explainer.simulate_block(explanations, held_out)[text].T
    names = ["f1", "precision", "recall"]
    return explanations, compute(names, truth, prediction, evidence.max_activation / 2)


def neurons_of(name):
    """The neurons of one kind of rule."""
    return [neuron for neuron, rule in enumerate(RULES) if rule.name == name]
