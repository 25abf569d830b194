"""Positives, effective tokens and intervals of a block are those of its neurons one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

import metrics
from benchmark.evidence import NEVER_FIRES
from benchmark.results.columns import SCORING_SETS
from benchmark.scorers import reliability
from benchmark.scorers.reliability import correlation_support, count_positives
from tests.scorers.test_simulation import BOS, make_truth


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
                    scored &= scoring_set != "uniform_small" or position <= 3
                    value = truth.activations(scoring_set)[neuron, number, position]
                    expected[neuron] += int(scored and bool(value >= threshold[neuron]))
        assert found[f"{scoring_set}/positives"].tolist() == expected
    assert found["uniform/positives"][0] > 0


def test_the_interval_is_that_of_drawn_documents_laid_end_to_end(monkeypatch) -> None:
    monkeypatch.setattr(reliability, "RESAMPLES", 40)
    truth = make_truth(5)
    prediction = torch.randn(5, *truth.tokens.shape)
    prediction[1] = 0.1  # constant
    found = correlation_support(truth, prediction, seed=3, level=0.9)
    text = truth.tokens[truth.uniform] != BOS
    true, documents = truth.uniform_activations[:, text], truth.documents[text]
    torch.testing.assert_close(
        found["uniform/effective_tokens"], metrics.effective_tokens(true), rtol=0, atol=0
    )
    names = documents.unique()
    draws = metrics.draw_weights(len(names), 40, 3).long()
    for neuron in range(5):
        predicted = prediction[neuron][truth.uniform][text]
        values = []
        for drawn in draws:
            parts = [
                torch.nonzero(documents == one)[:, 0] for one in names.repeat_interleave(drawn)
            ]
            tokens = torch.cat(parts)
            p, y = predicted[tokens].numpy(), true[neuron, tokens].numpy()
            values.append(0.0 if np.ptp(p) == 0 else scipy.stats.pearsonr(p, y).statistic)
        low, high = np.quantile(values, [0.05, 0.95])
        assert float(found["uniform/pearson_low"][neuron]) == pytest.approx(low, abs=1e-6)
        assert float(found["uniform/pearson_high"][neuron]) == pytest.approx(high, abs=1e-6)


def test_one_document_has_no_interval_but_effective_tokens() -> None:
    truth = make_truth(5)
    alone = replace(truth, documents=torch.zeros_like(truth.documents))
    found = correlation_support(alone, torch.randn(5, *truth.tokens.shape), seed=0, level=0.95)
    assert bool(found["uniform/pearson_low"].isnan().all())
    assert bool(found["uniform/pearson_high"].isnan().all())
    assert bool((found["uniform/effective_tokens"] >= 1).all())


def test_text_without_a_token_has_no_support() -> None:
    truth = make_truth(5)
    none = replace(truth.small, text=torch.zeros_like(truth.small.text))
    empty = replace(truth, tokens=torch.full_like(truth.tokens, BOS), small=none)
    found = correlation_support(empty, torch.zeros(5, *truth.tokens.shape), seed=0, level=0.95)
    assert all(bool(values.isnan().all()) for values in found.values())
