"""Intervals of single neurons: the fast resampling against drawing contexts one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import metrics
from metrics import resampled
from metrics.resampled import can_resample, draw_weights, resampled_scores
from metrics.sums import Units
from metrics.unit_bootstrap import unit_intervals

FAST = (
    "pearson",
    "cosine",
    "auprc",
    "f1",
    "precision",
    "recall",
    "iou",
    "r2",
    "openai_rsquared",
    "openai_absolute_dev_explained",
    "mse",
    "matthews",
    "accuracy",
    "balanced_accuracy",
    "f1_non_firing",
    "precision_non_firing",
    "recall_non_firing",
)


def scored(seed: int = 0, n: int = 5, m: int = 12, length: int = 9, own: bool = False) -> Units:
    """Neurons from never firing to firing often, with tied predictions and tokens left out."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(n, m, length, generator=generator) ** 3
    noise = torch.randn(n, m, length, generator=generator)
    prediction = ((truth + 0.2 * noise) * 8).round() / 8
    prediction[1] = 0.4  # constant, and not a number that is exact in binary
    text = torch.rand(n if own else 1, m, length, generator=generator) > 0.1
    threshold = torch.tensor([0.5, 0.5, 2.0, 0.9, 0.05])[:n]
    return Units.of_contexts(truth, prediction, threshold, text)


def slowly(name: str, one: Units, weights: torch.Tensor) -> np.ndarray:
    """The metric of every neuron on every resample, its contexts copied as often as drawn."""
    values = np.full((len(one.truth), len(weights)), np.nan)
    parts = [
        part.tolist() for part in torch.arange(one.truth.shape[1]).tensor_split(one.starts[1:])
    ]
    for number, weight in enumerate(weights):
        drawn = [
            token for part, times in zip(parts, weight, strict=True) for token in part * int(times)
        ]
        for neuron in range(len(one.truth)):
            text = one.text[neuron if len(one.text) > 1 else 0][drawn]
            truth, prediction = one.truth[neuron][drawn][text], one.prediction[neuron][drawn][text]
            found = metrics.compute(
                [name], truth[None], prediction[None], one.threshold[neuron][None]
            )
            values[neuron, number] = found[name].item()
    return values


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", FAST)
def test_all_resamples_at_once_are_those_drawn_one_by_one(name: str, own: bool) -> None:
    one = scored(own=own)
    weights = draw_weights(12, 30, seed=1)
    low, high = unit_intervals([name], one, weights)[name]
    values = slowly(name, one, weights)
    np.testing.assert_allclose(resampled_scores([name], one, weights)[name], values, atol=1e-6)
    for neuron, drawn in enumerate(values):
        known = drawn[~np.isnan(drawn)]
        if len(known):
            expected = np.quantile(known, [0.025, 0.975])
            assert [low[neuron], high[neuron]] == pytest.approx(expected, abs=1e-6), neuron
        else:
            assert math.isnan(low[neuron])
            assert math.isnan(high[neuron])


def test_a_constant_prediction_has_correlation_zero_in_every_resample() -> None:
    low, high = unit_intervals(["pearson"], scored(), draw_weights(12, 50, seed=0))["pearson"]
    assert (low[1], high[1]) == (0, 0)


def test_weights_draw_every_context_equally_often() -> None:
    weights = draw_weights(20, 4000, seed=0)
    assert torch.equal(weights.sum(1), torch.full((4000,), 20.0, dtype=torch.float64))
    assert weights.mean(0).tolist() == pytest.approx([1.0] * 20, abs=0.1)
    assert torch.equal(weights, draw_weights(20, 4000, seed=0))


def test_many_firing_tokens_share_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    one = scored(m=40, length=30)
    weights = draw_weights(40, 50, seed=0)
    exact = unit_intervals(["auprc"], one, weights)["auprc"]
    monkeypatch.setattr(resampled, "MOST_LEVELS", 64)
    coarse = unit_intervals(["auprc"], one, weights)["auprc"]
    for whole, part in zip(exact, coarse, strict=True):
        assert part[[0, 3, 4]].tolist() == pytest.approx(whole[[0, 3, 4]].tolist(), abs=0.02)


def test_chunks_of_neurons_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = draw_weights(12, 20, seed=0)
    whole = unit_intervals(["auprc"], scored(), weights)["auprc"]
    monkeypatch.setattr(resampled, "COUNTS_AT_ONCE", 1)
    parts = unit_intervals(["auprc"], scored(), weights)["auprc"]
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, equal_nan=True)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["spearman", "auroc", "normalised_mae"])
def test_any_other_metric_has_an_interval_about_its_value(name: str, own: bool) -> None:
    one = scored(m=40, own=own)
    low, high = unit_intervals([name], one, draw_weights(40, 5, seed=0))[name]
    for neuron in (0, 3, 4):
        text = one.text[neuron if own else 0]
        truth, prediction = one.truth[neuron][text], one.prediction[neuron][text]
        value = metrics.compute([name], truth[None], prediction[None], one.threshold[neuron][None])
        assert low[neuron] < value[name].item() < high[neuron]


def test_the_jackknife_is_about_as_wide_as_the_bootstrap() -> None:
    """On the absolute error, whose resamples are easily drawn one by one."""
    one = scored(m=60)
    weights = draw_weights(60, 300, seed=0)
    name = "normalised_mae"
    low, high = unit_intervals([name], one, weights)[name]
    drawn = np.quantile(slowly(name, one.rows(slice(1)), weights)[0], [0.025, 0.975])
    assert (high[0] - low[0]).item() == pytest.approx(drawn[1] - drawn[0], rel=0.6)


def test_documents_of_any_length_and_order_are_units() -> None:
    """Tokens of documents that lie apart are those of documents that lie together."""
    generator = torch.Generator().manual_seed(3)
    documents = torch.randint(0, 7, (200,), generator=generator) * 3
    truth, noise = torch.rand(2, 4, 200, generator=generator)
    prediction, threshold = truth + 0.3 * noise, torch.full((4,), 0.8)
    one = Units.of_documents(truth, prediction, threshold, documents)
    weights = draw_weights(one.n_units, 20, seed=0)
    found = resampled_scores(["pearson", "auprc", "f1"], one, weights)
    for name, scores in found.items():
        for number, weight in enumerate(weights):
            drawn = torch.cat(
                [
                    torch.nonzero(documents == document)[:, 0].repeat(int(times))
                    for document, times in zip(documents.unique(), weight, strict=True)
                ]
            )
            expected = metrics.compute([name], truth[:, drawn], prediction[:, drawn], threshold)
            torch.testing.assert_close(scores[:, number], expected[name], atol=1e-6, rtol=0)


def test_a_correlation_survives_a_large_offset() -> None:
    """Variances of values that lie far from zero lose no digits."""
    one = scored()
    moved = Units(one.truth.double() + 1e7, one.prediction, one.threshold, one.starts, one.text)
    weights = draw_weights(12, 20, seed=0)
    near, far = (resampled_scores(["pearson"], each, weights)["pearson"] for each in (one, moved))
    torch.testing.assert_close(far, near, atol=1e-6, rtol=0)


def test_what_sums_decide_is_known() -> None:
    assert {name for name in metrics.METRICS if can_resample(name)} == set(FAST)
