"""What slots can say of planted rules, and what they cannot.

A token, a token right after another and either of two phrases are said exactly: what is needed is
left by pruning, and no substitute keeps the activation. A distance is said as far as examples show
it, and further where all substitutes of the words between kept the activation. Absence cannot be
said: pruned to itself, the bare token also fires after the other one, but for a few contexts in
which that one was tried and broke it. Nor can the start of a context: a BOS stands before every
pruned example, so an example that needs it looks like any other.
"""

from __future__ import annotations

import pytest

from benchmark.subject.planted import RULES
from explainers.local_search import LocalSearch
from tests.explainers.planted_rules import explained_rules, neurons_of, planted


@pytest.fixture(scope="module")
def explained():
    """An explanation per rule, F1, precision and recall on other text, and tokens asked."""
    subject = planted()
    # Some of the rules are about signs.
    explanations, scores = explained_rules(LocalSearch(substitute_signs=True), subject)
    return explanations, scores, subject


@pytest.mark.parametrize("name", ["one token", "a token after another", "either of two phrases"])
def test_what_stands_side_by_side_is_said_exactly(explained, name):
    for neuron in neurons_of(name):
        assert explained[1]["f1"][neuron] == 1.0, RULES[neuron]
        phrases = 2 if name == "either of two phrases" else 1
        assert len(explained[0][neuron].examples) == phrases


@pytest.mark.parametrize("name", ["a token within three after another", "a repeated token"])
def test_a_distance_is_said_as_far_as_examples_show_it(explained, name):
    for neuron in neurons_of(name):
        assert 0.75 < explained[1]["recall"][neuron] < 1.0, RULES[neuron]
        assert explained[1]["precision"][neuron] > 0.95


def test_absence_cannot_be_said(explained):
    for neuron in neurons_of("a token unless preceded by another"):
        (example,) = explained[0][neuron].examples
        assert len(example.tokens) == 1
        assert explained[1]["recall"][neuron] == 1.0
        assert 0.5 < explained[1]["precision"][neuron] < 1.0


def test_the_start_of_a_context_cannot_be_said(explained):
    for neuron in neurons_of("a token only at the start of a context"):
        (example,) = explained[0][neuron].examples
        assert len(example.tokens) == 1
        assert explained[1]["recall"][neuron] == 1.0
        assert explained[1]["precision"][neuron] < 0.2
