"""Importances say what is lost when a token is masked."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.subject import load_subject
from explainers.n2g.examples import Example
from explainers.n2g.explainer import default_mask
from explainers.n2g.saliency import importance, measure_saliency
from explainers.n2g.settings import Settings
from explainers.queries import SubjectQueries
from tests.explainers.rule_subject import BOS, RuleSubject

MASK = 49
TEXT = np.array([[BOS, 1, 2, 3, 31, 32, 33, 34], [BOS, 5, 6, BOS, 41, 42, 43, 44]])


def measured(rule, context, *, activation=None, at_start=False, maximum=1.0, mask=MASK, **settings):
    subject = RuleSubject(rule)
    activation = float(rule([BOS, *context])) if activation is None else activation
    example = Example(0, np.array([BOS, *context]), activation, 1, at_start)
    queries = SubjectQueries(subject, 0, np_neurons(), mask)
    measure_saliency([example], np.array([maximum]), [TEXT], queries, Settings(**settings))
    return example.importances.tolist(), subject


def np_neurons():
    import torch

    return torch.arange(1)


def test_each_context_token_is_masked_once():
    weights = {5: 0.2, 6: 0.7, 8: 0.1}
    found, subject = measured(lambda tokens: sum(weights.get(t, 0) for t in tokens), [5, 6, 8])
    assert found == pytest.approx([0, 0.2, 0.7, 1])
    assert subject.asked == [(BOS, 5, MASK, 8), (BOS, MASK, 6, 8)]


@pytest.mark.parametrize("activation", [0.0, 1e-9, -1.0, float("-inf")])
def test_an_activation_near_zero_is_not_divided_by(activation):
    found, _ = measured(lambda tokens: -3.0, [5, 6], activation=activation)
    assert found == [0, 0, 1]


def test_importances_stay_within_0_and_1():
    assert importance(np.array([-5.0, 0.5, 9.0]), 1.0, 1.0).tolist() == [1, 0.5, 0]


def test_near_zero_is_relative_to_the_neuron():
    assert importance(np.array([0.0]), 1e-6, 1e-6).tolist() == [1]
    assert importance(np.array([0.0]), 1e-6, 1.0).tolist() == [0]


@pytest.mark.parametrize("masked", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("activation", [1.0, float("nan"), float("inf")])
def test_importances_are_finite_whatever_the_subject_gives(masked, activation):
    found = importance(np.array([masked, 0.5]), activation, 1.0)
    assert np.isfinite(found).all()
    assert found[1] == (0.5 if activation == 1 else 0)


def test_a_context_that_is_its_anchor_asks_nothing():
    found, subject = measured(lambda tokens: 1.0, [5])
    assert found == [0, 1]
    assert subject.asked == []


def test_the_start_is_important_where_other_text_before_it_silences_the_neuron():
    found, subject = measured(lambda tokens: len(tokens) == 2, [5], at_start=True)
    assert found == [1, 1]
    # The second text's end is used too, the first one's is not mixed with it.
    assert subject.asked == [(BOS, 31, 32, 33, 34, 5), (BOS, 41, 42, 43, 44, 5)]


def test_the_start_is_not_important_where_one_text_before_it_leaves_the_neuron_alone():
    found, _ = measured(lambda tokens: len(tokens) == 2 or 41 in tokens, [5], at_start=True)
    assert found == [0, 1]


def test_a_context_met_elsewhere_needs_no_start():
    found, subject = measured(lambda tokens: len(tokens) == 2, [5])
    assert found == [0, 1]
    assert subject.asked == []


def test_probes_are_pieces_of_one_document_and_fit():
    _, subject = measured(lambda tokens: 1.0, list(range(1, 62)), at_start=True)
    # 62 tokens and a probe of 4 are more than the subject can read.
    assert len(subject.asked) == 60
    assert {len(context) for context in subject.asked} == {62}


def test_what_stands_for_a_masked_token_by_default():
    tiny = load_subject(
        {"name": "solu-tiny", "kind": "builtin", "source": "solu_tiny"}, device="cpu"
    )
    planted = load_subject({"name": "planted", "kind": "planted"}, device="cpu")
    assert tiny.tokenizer.pad_token is None
    assert default_mask(tiny) == tiny.bos
    assert default_mask(planted) == planted.tokenizer.pad_token_id != planted.bos
    planted.tokenizer.pad_token = None
    assert default_mask(planted) == planted.bos
