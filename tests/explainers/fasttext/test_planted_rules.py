"""What fasttext recovers of planted rules: that a word activates, whatever stands around it.

An explanation is a value for each word, so it says "one token" exactly. It cannot say what
stands before: of a token that activates after another one, or unless another one, only at the
start or only the second time, it predicts the mean over all its occurrences in the exemplars,
wherever it stands. Of a phrase it knows the last word, for the same reason.
"""

from __future__ import annotations

import pytest

from benchmark.subject.planted import RULES
from explainers.fasttext import FastText
from tests.explainers.fasttext.toy import Memory
from tests.explainers.planted_rules import Sizes, explained_rules, planted

SIZES = Sizes(explain=4000, exemplars=20)
EXPRESSED = "one token"


@pytest.fixture(scope="module")
def explained():
    """An explanation per rule, and scores on other text."""
    explainer = FastText(dimensions=16, epochs=2, buckets=1000)
    return explained_rules(explainer, planted(), SIZES, names=("f1", "pearson"), storage=Memory())


@pytest.mark.parametrize("neuron", range(len(RULES)))
def test_the_words_of_a_rule_are_found(explained, neuron):
    rule = RULES[neuron]
    last = (rule.words[1], rule.words[3]) if len(rule.words) == 4 else rule.words[:1]
    assert {word.name for word in explained[0][neuron].words} == set(last)


@pytest.mark.parametrize("neuron", range(len(RULES)))
def test_one_token_is_said_exactly_and_nothing_else_is(explained, neuron):
    _, scores = explained
    if RULES[neuron].name == EXPRESSED:
        assert scores["f1"][neuron] == 1.0
        assert scores["pearson"][neuron] > 0.999
    else:
        assert 0 < scores["pearson"][neuron] < 0.99, RULES[neuron]


def test_no_neighbour_of_a_planted_word_is_kept(explained):
    """Only the word itself activates, so every word that was put in its place is rejected."""
    for neuron, rule in enumerate(RULES):
        if rule.name == EXPRESSED:
            one = explained[0][neuron]
            assert len(one.neighbours) == 5
            assert not any(neighbour.kept for neighbour in one.neighbours)
