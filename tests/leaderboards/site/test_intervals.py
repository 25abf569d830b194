"""Intervals of single neurons: the fast resampling against drawing contexts one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import metrics
from leaderboards.site import intervals
from leaderboards.site.intervals import Scored, draw_weights, score_intervals

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
)


def scored(seed: int = 0, n: int = 5, m: int = 12, length: int = 9, own: bool = False) -> Scored:
    """Neurons from never firing to firing often, with tied predictions and tokens left out."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(n, m, length, generator=generator) ** 3
    noise = torch.randn(n, m, length, generator=generator)
    prediction = ((truth + 0.2 * noise) * 8).round() / 8
    prediction[1] = 0.4  # constant, and not a number that is exact in binary
    text = torch.rand(n if own else 1, m, length, generator=generator) > 0.1
    threshold = torch.tensor([0.5, 0.5, 2.0, 0.9, 0.05])[:n]
    return Scored(truth, prediction, text, threshold)


def slowly(name: str, one: Scored, weights: torch.Tensor) -> np.ndarray:
    """The metric of every neuron on every resample, its contexts copied as often as drawn."""
    values = np.full((len(one.truth), len(weights)), np.nan)
    for number, weight in enumerate(weights):
        drawn = [at for at, times in enumerate(weight.tolist()) for _ in range(int(times))]
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
    low, high = score_intervals([name], one, weights)[name]
    values = slowly(name, one, weights)
    for neuron, drawn in enumerate(values):
        known = drawn[~np.isnan(drawn)]
        if len(known):
            expected = np.quantile(known, [0.025, 0.975])
            assert [low[neuron], high[neuron]] == pytest.approx(expected, abs=1e-6), neuron
        else:
            assert math.isnan(low[neuron])
            assert math.isnan(high[neuron])


def test_a_constant_prediction_has_correlation_zero_in_every_resample() -> None:
    low, high = score_intervals(["pearson"], scored(), draw_weights(12, 50, seed=0))["pearson"]
    assert (low[1], high[1]) == (0, 0)


def test_weights_draw_every_context_equally_often() -> None:
    weights = draw_weights(20, 4000, seed=0)
    assert torch.equal(weights.sum(1), torch.full((4000,), 20.0, dtype=torch.float64))
    assert weights.mean(0).tolist() == pytest.approx([1.0] * 20, abs=0.1)
    assert torch.equal(weights, draw_weights(20, 4000, seed=0))


def test_many_firing_tokens_share_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    one = scored(m=40, length=30)
    weights = draw_weights(40, 50, seed=0)
    exact = score_intervals(["auprc"], one, weights)["auprc"]
    monkeypatch.setattr(intervals, "MOST_LEVELS", 64)
    coarse = score_intervals(["auprc"], one, weights)["auprc"]
    for whole, part in zip(exact, coarse, strict=True):
        assert part[[0, 3, 4]].tolist() == pytest.approx(whole[[0, 3, 4]].tolist(), abs=0.02)


def test_chunks_of_neurons_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = draw_weights(12, 20, seed=0)
    whole = score_intervals(["auprc"], scored(), weights)["auprc"]
    monkeypatch.setattr(intervals, "COUNTS_AT_ONCE", 1)
    parts = score_intervals(["auprc"], scored(), weights)["auprc"]
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, equal_nan=True)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["spearman", "auroc", "mse", "matthews"])
def test_any_other_metric_has_an_interval_about_its_value(name: str, own: bool) -> None:
    one = scored(m=40, own=own)
    low, high = score_intervals([name], one, draw_weights(40, 5, seed=0))[name]
    for neuron in (0, 3, 4):
        text = one.text[neuron if own else 0]
        truth, prediction = one.truth[neuron][text], one.prediction[neuron][text]
        value = metrics.compute([name], truth[None], prediction[None], one.threshold[neuron][None])
        assert low[neuron] < value[name].item() < high[neuron]


def test_the_jackknife_is_about_as_wide_as_the_bootstrap() -> None:
    """On the mean squared error, whose resamples are easily drawn one by one."""
    one = scored(m=60)
    weights = draw_weights(60, 300, seed=0)
    low, high = score_intervals(["mse"], one, weights)["mse"]
    drawn = np.quantile(
        slowly(
            "mse", Scored(one.truth[:1], one.prediction[:1], one.text, one.threshold[:1]), weights
        )[0],
        [0.025, 0.975],
    )
    assert (high[0] - low[0]).item() == pytest.approx(drawn[1] - drawn[0], rel=0.6)
