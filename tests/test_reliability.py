"""Positives, effective tokens and intervals of a block are those of its neurons one by one."""

from __future__ import annotations

from dataclasses import replace

import torch

import metrics
from benchmark.evidence import NEVER_FIRES, SCORING_SETS
from benchmark.reliability import correlation_support, count_positives
from tests.test_scoring import BOS, make_truth


def test_positives_are_counted_token_by_token() -> None:
    truth = make_truth(4)
    threshold = torch.tensor([0.0, 0.5, 1.0, 9.0, NEVER_FIRES])
    found = count_positives(truth, threshold)
    assert list(found) == [f"{name}/positives" for name in SCORING_SETS]
    for scoring_set in SCORING_SETS:
        expected = [0] * 5
        for neuron in range(5):
            for number, row in enumerate(truth.rows(scoring_set)[neuron].tolist()):
                for position, token in enumerate(truth.tokens[row].tolist()):
                    scored = token != BOS and (
                        scoring_set != "novel" or bool(truth.novel[number, position])
                    )
                    value = truth.activations(scoring_set)[neuron, number, position]
                    expected[neuron] += int(scored and bool(value >= threshold[neuron]))
        assert found[f"{scoring_set}/positives"].tolist() == expected
    assert found["uniform/positives"][0] > 0


def test_support_is_that_of_the_scored_tokens() -> None:
    truth = make_truth(5)
    prediction = torch.randn(5, *truth.tokens.shape)
    found = correlation_support(truth, prediction, seed=3, level=0.9)
    text = truth.tokens[truth.uniform] != BOS
    true = truth.uniform_activations[:, text]
    low, high = metrics.pearson_over_documents(
        true, prediction[:, truth.uniform][:, text], truth.documents[text], seed=3, level=0.9
    )
    torch.testing.assert_close(
        found["uniform/effective_tokens"], metrics.effective_tokens(true), rtol=0, atol=0
    )
    torch.testing.assert_close(found["uniform/pearson_low"], low, rtol=0, atol=0)
    torch.testing.assert_close(found["uniform/pearson_high"], high, rtol=0, atol=0)
    assert bool((low < high).all())


def test_text_without_a_token_has_no_support() -> None:
    truth = make_truth(5)
    empty = replace(truth, tokens=torch.full_like(truth.tokens, BOS))
    found = correlation_support(empty, torch.zeros(5, *truth.tokens.shape), seed=0, level=0.95)
    assert all(bool(values.isnan().all()) for values in found.values())
