"""What exemplars can say of planted rules as a simulator, and what they cannot.

A rule about the token alone is said exactly. One about the token before it as well is never missed,
but where that one is new, the bare token decides by its mean over the exemplars. They are chosen
for firing, so it is right only for a token that they show silent more often than firing, as they
do a common one; a rarer one fires everywhere. A rule about what stands further back is lost,
because a longer match in other tokens outvotes it.
"""

from __future__ import annotations

import pytest

from benchmark.subject.planted import RULES
from explainers.max_examples import MaxExamples
from tests.explainers.planted_rules import explained_rules, neurons_of, planted


@pytest.fixture(scope="module")
def explained():
    """An explanation per rule, and F1, precision and recall on other text."""
    return explained_rules(MaxExamples(), planted())


@pytest.mark.parametrize("name", ["one token", "a token unless preceded by another"])
def test_token_and_absence_are_said_exactly(explained, name):
    for neuron in neurons_of(name):
        assert explained[1]["f1"][neuron] == 1.0


@pytest.mark.parametrize(
    "name",
    [
        "a token after another",
        "either of two phrases",
        "a token only at the start of a context",
    ],
)
def test_the_token_before_is_said_where_exemplars_show_it_silent_too(explained, name):
    common, rare = sorted(neurons_of(name), key=lambda neuron: -explained[1]["f1"][neuron])
    assert explained[1]["f1"][common] == 1.0
    # Nothing is missed: where the rule holds, the exemplar that shows it is the longest match.
    assert explained[1]["recall"][rare] == 1.0
    assert explained[1]["precision"][rare] < 0.5
    firing, silent = shown(explained, common)
    assert silent > firing
    firing, silent = shown(explained, rare)
    assert silent < firing


def shown(explained, neuron):
    """How often a neuron's exemplars show its own tokens, firing and silent."""
    remembered = explained[0][neuron].remembered
    firing = remembered.activations > 0
    own = set(remembered.tokens[firing].tolist())
    at_own = sum((remembered.tokens == token) for token in own) > 0
    return int(firing.sum()), int((at_own & ~firing).sum())


@pytest.mark.parametrize("name", ["a token within three after another", "a repeated token"])
def test_what_stands_further_back_cannot_be_said(explained, name):
    for neuron in neurons_of(name):
        assert 0.5 < explained[1]["recall"][neuron] < 1.0, RULES[neuron]
        assert explained[1]["precision"][neuron] < 0.5
