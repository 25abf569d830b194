"""Interval of a correlation over documents: against drawn documents laid end to end."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings

import metrics
from metrics import MetricInputError


def by_drawing(
    truth: np.ndarray, prediction: np.ndarray, documents: np.ndarray, *, resamples: int, seed: int
) -> tuple[float, float]:
    """The same draws, every one laid end to end and correlated by SciPy."""
    names = np.unique(documents)
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    values = []
    for drawn in counts:
        parts = [np.flatnonzero(documents == name) for name in np.repeat(names, drawn)]
        tokens = np.concatenate(parts)
        y, p = truth[tokens].astype(np.float64), prediction[tokens].astype(np.float64)
        if np.ptp(y) == 0:
            continue
        values.append(0.0 if np.ptp(p) == 0 else scipy.stats.pearsonr(y, p).statistic)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def example(seed: int, n_documents: int = 6, n_tokens: int = 60):
    generator = np.random.default_rng(seed)
    truth = generator.standard_normal((4, n_tokens)).astype(np.float32) ** 3 + 100
    prediction = (truth + 5 * generator.standard_normal(truth.shape)).astype(np.float32)
    prediction[1] = 0.1  # constant
    prediction[2, truth[2] < 101] = 0  # constant in many draws
    documents = generator.integers(0, n_documents, n_tokens) * 3
    documents[:2] = 0, 3  # at least two documents
    return truth, prediction, documents


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), ordered=st.booleans())
def test_equal_to_documents_laid_end_to_end(seed: int, ordered: bool) -> None:
    truth, prediction, documents = example(seed)
    if ordered:
        documents = np.sort(documents)
    low, high = metrics.pearson_over_documents(
        torch.from_numpy(truth),
        torch.from_numpy(prediction),
        torch.from_numpy(documents),
        resamples=60,
        seed=seed,
    )
    for row in range(len(truth)):
        expected = by_drawing(truth[row], prediction[row], documents, resamples=60, seed=seed)
        assert (float(low[row]), float(high[row])) == pytest.approx(expected, abs=1e-9)


def test_a_neuron_has_the_same_interval_in_any_company() -> None:
    truth, prediction, documents = map(torch.from_numpy, example(3))
    whole = metrics.pearson_over_documents(truth, prediction, documents)
    for row in range(len(truth)):
        alone = metrics.pearson_over_documents(
            truth[row : row + 1], prediction[row : row + 1], documents
        )
        assert [float(end[0]) for end in alone] == [float(end[row]) for end in whole]


def test_one_document_that_decides_makes_a_wide_interval() -> None:
    documents = torch.arange(400) // 20
    truth = torch.zeros(2, 400)
    truth[0, 3] = 1.0  # fires in one document, and is predicted there
    truth[1, ::20] = 1.0  # fires in every document
    prediction = truth.clone()
    prediction[:, 5::20] = 0.5
    low, high = metrics.pearson_over_documents(truth, prediction, documents)
    assert float(high[0] - low[0]) > 0.1
    assert float(high[1] - low[1]) < 0.01


def test_without_a_second_document_or_a_varying_truth_there_is_none() -> None:
    values = torch.rand(1, 30)
    for truth, documents in (
        (values, torch.zeros(30, dtype=torch.long)),
        (torch.full((1, 30), 2.0), torch.arange(30)),
    ):
        low, high = metrics.pearson_over_documents(truth, values, documents)
        assert bool(low.isnan().all() & high.isnan().all())


def test_documents_of_other_tokens_are_refused() -> None:
    with pytest.raises(MetricInputError, match=r"documents have shape \[4\]; expected \[3\]"):
        metrics.pearson_over_documents(torch.rand(1, 3), torch.rand(1, 3), torch.arange(4))
