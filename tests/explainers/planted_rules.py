"""Evidence about the planted neurons, whose rules are known, and what an explainer makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmark.interface import Evidence, Exemplars, ExplainText, Sample
from benchmark.subject import load_subject
from benchmark.subject.planted import RULES
from metrics import compute

CONTEXT = 24


@dataclass(frozen=True)
class Sizes:
    """Numbers of contexts; the sample is the first of the explain text, none where it is 0."""

    explain: int = 8000
    sample: int = 0
    exemplars: int = 60
    held_out: int = 2000


DEFAULT = Sizes()


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


def evidence_of_rules(subject, tokens, sizes):
    """Exemplars of every rule, with a sample if that is asked for."""
    activations = subject.activations(tokens, 0)
    neurons = torch.arange(len(RULES))
    maximum = activations.amax((0, 1))
    # Firing contexts tie; the anchor is where a context fires first.
    rows = activations.amax(1).topk(sizes.exemplars, dim=0).indices.T
    own = activations.permute(2, 0, 1)[neurons[:, None], rows]
    return Evidence(
        layer=0,
        neurons=neurons,
        bos=subject.bos,
        max_activation=maximum,
        mean_activation=activations.mean((0, 1)),
        firing_threshold=maximum / 2,
        exemplars=Exemplars(tokens[rows], own, own.argmax(-1)),
        sample=Sample(tokens[: sizes.sample], activations[: sizes.sample])
        if sizes.sample
        else None,
    )


def explained_rules(
    explainer,
    subject,
    sizes: Sizes = DEFAULT,
    *,
    names: Sequence[str] = ("f1", "precision", "recall"),
    storage=None,
):
    """An explanation per rule, and scores on other text.

    With a storage, the explainer first learns from the explain text, as in a run.
    """
    tokens = contexts(subject, sizes.explain, 0)
    if storage is not None:
        text = ExplainText(tokens, subject.bos, subject.tokenizer, subject.d_vocab)
        explainer.prepare(text, storage)
    evidence = evidence_of_rules(subject, tokens, sizes)
    explanations = explainer.explain(evidence, subject)
    held_out = contexts(subject, sizes.held_out, 1)
    text = held_out != subject.bos
    truth = subject.activations(held_out, 0)[text].T
    prediction = explainer.simulate_block(explanations, held_out)[text].T
    return explanations, compute(list(names), truth, prediction, evidence.max_activation / 2)


def neurons_of(*names):
    """The neurons of some kinds of rules."""
    return [neuron for neuron, rule in enumerate(RULES) if rule.name in names]
