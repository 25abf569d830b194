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

from benchmark.subject.planted import RULES
from explainers.context_tree import ContextTree
from tests.explainers.planted_rules import Sizes, explained_rules, neurons_of, planted

SIZES = Sizes(explain=2000, sample=1500, exemplars=20, held_out=500)
EXACT = (
    "one token",
    "a token after another",
    "either of two phrases",
    "a token unless preceded by another",
    "a token only at the start of a context",
)


@pytest.fixture(scope="module")
def explained():
    """An explanation per rule, and scores on other text."""
    return explained_rules(ContextTree(), planted(), SIZES, names=("f1", "pearson"))


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
