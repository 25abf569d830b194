"""What fasttext recovers of planted rules: that a word activates, whatever stands around it.

An explanation is a value for each word, so it says "one token" exactly. It cannot say what
stands before: of a token that activates after another one, or unless another one, only at the
start or only the second time, it predicts the mean over all its occurrences in the exemplars,
wherever it stands. Of a phrase it knows the last word, for the same reason.
"""

from __future__ import annotations

import pytest
import torch

from benchmark.interface import Evidence, Exemplars, ExplainText
from benchmark.subject import load_subject
from benchmark.subject.planted import RULES
from explainers.fasttext import FastText
from metrics import compute
from tests.explainers.fasttext.toy import Memory
from tests.explainers.planted_rules import contexts

EXPLAIN, EXEMPLARS, HELD_OUT = 4000, 20, 2000
EXPRESSED = "one token"


@pytest.fixture(scope="module")
def explained():
    """An explanation per rule, and scores on other text."""
    subject = load_subject({"name": "planted", "kind": "planted"}, device="cpu")
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
        sample=None,
    )
    explainer = FastText(dimensions=16, epochs=2, buckets=1000)
    explainer.prepare(
        ExplainText(tokens, subject.bos, subject.tokenizer, subject.d_vocab), Memory()
    )
    explanations = explainer.explain(evidence, subject)
    held_out = contexts(subject, HELD_OUT, 1)
    text = held_out != subject.bos
    truth = subject.activations(held_out, 0)[text].T
    prediction = explainer.simulate_block(explanations, held_out)[text].T
    return explanations, compute(["f1", "pearson"], truth, prediction, maximum / 2)


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
