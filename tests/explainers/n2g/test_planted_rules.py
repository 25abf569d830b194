"""What N2G recovers of planted rules: all that its trie can say, and what it cannot say.

A trie is a list of patterns: this token, that many places before that token, or anything there.
So it cannot say that a token is absent ("unless preceded by another": the pruned pattern is the
bare token, which also fires after the other), nor that a token stands at any distance whatever ("a
repeated token": there is a path for each distance that was seen, and no other).

And N2G does not see two reasons at once: where either of two tokens is enough, masking one of them
changes nothing, and both count as unimportant. A pruned prompt has one reason for its pivot, but
the tokens after the pivot may have two; where a rule's token is its own reason, they do.
"""

from __future__ import annotations

import pytest

from benchmark.subject.planted import RULES
from explainers.n2g import N2G
from explainers.n2g.trie import ANY
from tests.explainers.planted_rules import explained_rules, neurons_of, planted


@pytest.fixture(scope="module")
def explained():
    """An explanation per rule, and F1, precision and recall on other text."""
    return explained_rules(N2G(), planted())


@pytest.fixture(scope="module")
def without_after():
    """The same without the tokens after a pivot."""
    return explained_rules(N2G(after=0), planted())


@pytest.mark.parametrize(
    "neuron", [neuron for neuron, rule in enumerate(RULES) if rule.expressible]
)
def test_what_a_trie_can_say_is_recovered_exactly(explained, without_after, neuron):
    assert without_after[1]["f1"][neuron] == 1.0, RULES[neuron]
    if neuron not in neurons_of("a token within three after another"):
        assert explained[1]["f1"][neuron] == 1.0, RULES[neuron]


def test_a_token_after_the_pivot_with_two_reasons_seems_to_need_none(explained):
    """One token of the rule stands before another, and either lets a third one fire."""
    for neuron in neurons_of("a token within three after another"):
        assert RULES[neuron].words[0] == RULES[neuron].words[1]
        assert min(len(path.tokens) for path in explained[0][neuron].paths) == 1
        assert explained[1]["recall"][neuron] == 1.0
        assert explained[1]["precision"][neuron] < 0.5


def test_absence_cannot_be_said(explained):
    """Nothing is missed, but the token also fires where the other one stands before it."""
    for neuron in neurons_of("a token unless preceded by another"):
        assert [len(path.tokens) for path in explained[0][neuron].paths] == [1]
        assert explained[1]["recall"][neuron] == 1.0
        assert 0.5 < explained[1]["precision"][neuron] < 1.0


def test_any_distance_cannot_be_said(without_after):
    """Distances that no exemplar showed are missed; and a path may reach over a document's start,

    as its wildcards match anything, BOS too.
    """
    for neuron in neurons_of("a repeated token"):
        distances = {len(path.tokens) - 1 for path in without_after[0][neuron].paths}
        assert len(distances) > 3
        for path in without_after[0][neuron].paths:
            assert path.tokens[0] == path.tokens[-1]
            assert set(path.tokens[1:-1]) <= {ANY}
        assert 0 < without_after[1]["recall"][neuron] < 1.0


def test_the_start_of_a_context_is_written(explained):
    for neuron in neurons_of("a token only at the start of a context"):
        (word,) = RULES[neuron].words
        assert explained[0][neuron].describe().splitlines()[1] == f"[start]‹{word}›  1.00"
