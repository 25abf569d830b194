"""What the context tree recovers of planted rules.

A tree of runs knows what stands where, as far back as its runs reach, and what that does on
average: so it has every rule about the tokens right before the current one, and that one is absent
there, and the start of a context. A rule about a token anywhere among the last three has a run for
each way to fill the places in between, so it is learnt only as far as these were seen. And how far
back a token was said before is beyond any run: of "a repeated token" the tree knows the cases in
which the first one is among the last few tokens, and else how often it is a repetition.
"""

from __future__ import annotations

import pytest
import torch

from benchmark.interface import Evidence, Exemplars, Sample
from benchmark.subject import load_subject
from benchmark.subject.planted import RULES
from explainers.context_tree import ContextTree
from metrics import compute
from tests.explainers.planted_rules import contexts

EXPLAIN, SAMPLE, EXEMPLARS, HELD_OUT = 2000, 1500, 20, 500
EXACT = (
    "one token",
    "a token after another",
    "either of two phrases",
    "a token unless preceded by another",
    "a token only at the start of a context",
)


@pytest.fixture(scope="module")
def subject():
    return load_subject({"name": "planted", "kind": "planted"}, device="cpu")


@pytest.fixture(scope="module")
def explained(subject):
    """An explanation per rule, and scores on other text."""
    tokens = contexts(subject, EXPLAIN, 0)
    activations = subject.activations(tokens, 0)
    neurons = torch.arange(len(RULES))
    maximum = activations.amax((0, 1))
    rows = activations.amax(1).topk(EXEMPLARS, dim=0).indices.T
    own = activations.permute(2, 0, 1)[neurons[:, None], rows]
    evidence = Evidence(
        layer=0,
        neurons=neurons,
        bos=subject.bos,
        max_activation=maximum,
        mean_activation=activations.mean((0, 1)),
        firing_threshold=maximum / 2,
        exemplars=Exemplars(tokens[rows], own, own.argmax(-1)),
        sample=Sample(tokens[:SAMPLE], activations[:SAMPLE]),
    )
    explainer = ContextTree()
    explanations = explainer.explain(evidence, subject)
    held_out = contexts(subject, HELD_OUT, 1)
    text = held_out != subject.bos
    truth = subject.activations(held_out, 0)[text].T
    prediction = explainer.simulate_block(explanations, held_out)[text].T
    return explanations, compute(["f1", "pearson", "recall"], truth, prediction, maximum / 2)


def neurons_of(*names):
    return [neuron for neuron, rule in enumerate(RULES) if rule.name in names]


@pytest.mark.parametrize("neuron", neurons_of(*EXACT))
def test_rules_about_the_tokens_right_before_are_recovered(explained, neuron):
    assert explained[1]["f1"][neuron] == 1.0, RULES[neuron]
    assert explained[1]["pearson"][neuron] > 0.98, RULES[neuron]


@pytest.mark.parametrize("neuron", neurons_of("a token within three after another"))
def test_a_token_somewhere_before_is_learnt_as_far_as_it_was_seen(explained, neuron):
    assert 0.6 < explained[1]["pearson"][neuron] < 0.98, RULES[neuron]


@pytest.mark.parametrize("neuron", neurons_of("a repeated token"))
def test_any_distance_cannot_be_said(explained, neuron):
    assert 0.3 < explained[1]["pearson"][neuron] < 0.9, RULES[neuron]


@pytest.mark.parametrize("neuron", neurons_of("a token within three after another"))
def test_a_token_that_does_not_matter_is_a_wildcard_in_the_description(explained, neuron):
    word, earlier = RULES[neuron].words
    contexts = [line.split("  ")[-1] for line in explained[0][neuron].describe().splitlines()]
    for between in ("", "_ ", "_ _ "):
        assert f"{earlier} {between}‹{word}›" in contexts


def test_a_rule_is_the_first_line_of_its_description(explained):
    for neuron in neurons_of("one token"):
        (word,) = RULES[neuron].words
        assert explained[0][neuron].describe().splitlines()[2].endswith(f"  ‹{word}›")
