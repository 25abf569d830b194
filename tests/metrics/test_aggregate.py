"""Means over neurons: against SciPy's bootstrap, and what happens to nulls and lone neurons."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

import metrics
from metrics import Estimate, MetricInputError
from metrics.resampling import _DRAWS_IN_FLIGHT


def skewed(n: int) -> np.ndarray:
    return np.random.default_rng(5).beta(0.5, 3.0, size=n)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_agrees_with_scipy_within_the_error_of_resampling(level: float) -> None:
    values = skewed(60)
    ours = metrics.mean_over_neurons(values, level=level, seed=1)
    theirs = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=10_000,
        method="percentile",
        confidence_level=level,
        random_state=2,
    )
    # A percentile of 10,000 means is itself known to about 3 % of their spread; four of those.
    tolerance = 0.12 * theirs.standard_error
    assert ours.mean == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_agrees_with_resampling_one_by_one() -> None:
    values = np.sort(skewed(12))
    generator = np.random.default_rng(9)
    means = [values[generator.integers(12, size=12)].mean() for _ in range(50)]
    estimate = metrics.mean_over_neurons(values, resamples=50, seed=9)
    assert estimate.low == pytest.approx(np.quantile(means, 0.025), abs=1e-12)
    assert estimate.high == pytest.approx(np.quantile(means, 0.975), abs=1e-12)


def test_resampling_in_parts_is_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    values = skewed(30)
    assert 200 * len(values) < _DRAWS_IN_FLIGHT
    whole = metrics.mean_over_neurons(values, resamples=200)
    # 7 resamples at a time leave a shorter last part.
    monkeypatch.setattr("metrics.resampling._DRAWS_IN_FLIGHT", 7 * len(values))
    assert metrics.mean_over_neurons(values, resamples=200) == whole


def test_the_seed_decides() -> None:
    values = skewed(40)
    assert metrics.mean_over_neurons(values, seed=3) == metrics.mean_over_neurons(values, seed=3)
    assert metrics.mean_over_neurons(values, seed=3) != metrics.mean_over_neurons(values, seed=4)


@given(st.permutations([0.0, 0.1, 0.25, 0.3, 0.3, 0.9, float("nan")]))
def test_the_order_of_neurons_does_not_matter(values: list[float]) -> None:
    expected = metrics.mean_over_neurons([0.0, 0.1, 0.25, 0.3, 0.3, 0.9, np.nan], resamples=20)
    assert metrics.mean_over_neurons(values, resamples=20) == expected


def test_nulls_are_left_out_and_counted() -> None:
    values = skewed(20)
    with_nulls = np.concatenate([[np.nan], values, [np.nan, np.nan]])
    plain = metrics.mean_over_neurons(values)
    estimate = metrics.mean_over_neurons(with_nulls)
    assert (estimate.n, estimate.n_null) == (20, 3)
    assert (estimate.mean, estimate.low, estimate.high) == (plain.mean, plain.low, plain.high)


def test_one_neuron_has_no_interval() -> None:
    estimate = metrics.mean_over_neurons([0.5, np.nan])
    assert estimate == Estimate(
        0.5, None, None, 1, 1, "one neuron has a value: its spread over neurons is unknown"
    )


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_no_value_has_no_mean(values: list[float]) -> None:
    estimate = metrics.mean_over_neurons(values)
    assert estimate == Estimate(None, None, None, 0, len(values), "no neuron has a value")


def test_equal_scores_have_an_interval_of_no_width() -> None:
    estimate = metrics.mean_over_neurons([1.0] * 8)
    assert (estimate.mean, estimate.low, estimate.high) == (1.0, 1.0, 1.0)
    assert estimate.reason is None


def test_the_dictionary_is_what_json_keeps() -> None:
    estimate = metrics.mean_over_neurons([0.25, 0.75, np.nan])
    assert Estimate(**json.loads(json.dumps(estimate.to_dict()))) == estimate
    assert list(estimate.to_dict()) == ["mean", "low", "high", "n", "n_null", "reason"]


def test_a_tensor_is_as_good_as_an_array() -> None:
    values = skewed(10)
    tensor = torch.tensor(values, requires_grad=True)
    assert metrics.mean_over_neurons(tensor) == metrics.mean_over_neurons(values)


def test_the_interval_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    covered = 0
    for seed in range(200):
        estimate = metrics.mean_over_neurons(generator.normal(size=50), resamples=400, seed=seed)
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= 0.0 <= estimate.high
    # 95 % of 200 is 190, with a standard deviation of 3; the percentile interval is a bit narrow.
    assert 178 <= covered <= 199


def test_clusters_are_drawn_whole() -> None:
    values = skewed(11)
    layers = np.array([2, 0, 1, 1, 0, 2, 2, 0, 1, 0, 0])
    generator = np.random.default_rng(3)
    members = [np.sort(values[layers == layer]) for layer in (0, 1, 2)]
    means = [
        np.concatenate([members[i] for i in generator.integers(3, size=3)]).mean()
        for _ in range(80)
    ]
    estimate = metrics.mean_over_neurons(values, clusters=layers, resamples=80, seed=3)
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(np.quantile(means, 0.025), abs=1e-12)
    assert estimate.high == pytest.approx(np.quantile(means, 0.975), abs=1e-12)


def test_clusters_of_one_neuron_each_are_the_plain_bootstrap() -> None:
    values = np.sort(skewed(20))
    plain = metrics.mean_over_neurons(values, resamples=300)
    clustered = metrics.mean_over_neurons(values, clusters=np.arange(20), resamples=300)
    assert clustered.low == pytest.approx(plain.low, abs=1e-12)
    assert clustered.high == pytest.approx(plain.high, abs=1e-12)


def test_neurons_that_resemble_their_layer_widen_the_clustered_interval() -> None:
    layers = np.repeat(np.arange(8), 50)
    values = layers / 8 + 0.01 * skewed(400)
    plain = metrics.mean_over_neurons(values, resamples=500)
    clustered = metrics.mean_over_neurons(values, clusters=layers, resamples=500)
    assert clustered.high - clustered.low > 3 * (plain.high - plain.low)


@given(st.permutations(range(9)))
def test_the_order_of_clustered_neurons_does_not_matter(order: list[int]) -> None:
    values = np.append(skewed(8), np.nan)
    layers = np.array([0, 0, 0, 1, 1, 2, 2, 2, 1])
    expected = metrics.mean_over_neurons(values, clusters=layers, resamples=20)
    assert (
        metrics.mean_over_neurons(values[order], clusters=layers[order], resamples=20) == expected
    )


def test_one_cluster_has_no_interval() -> None:
    estimate = metrics.mean_over_neurons([0.2, 0.4, np.nan], clusters=[7, 7, 8])
    assert (estimate.mean, estimate.low, estimate.n) == (pytest.approx(0.3), None, 2)
    assert estimate.reason == "all neurons are of one cluster: the spread over clusters is unknown"


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[0.1, 0.2]], {}, r"values have shape \[1, 2\]; expected \[n_neurons\]"),
        ([0.1, np.inf], {}, "infinite score at neuron row 1"),
        ([0.1, 0.2], {"clusters": [0]}, r"clusters have shape \[1\]; expected \[2\]"),
        ([0.1, 0.2], {"resamples": 0}, "resamples is 0; it must be at least 1"),
        ([0.1, 0.2], {"level": 95}, "level is 95; it must lie between 0 and 1"),
    ],
)
def test_refuses_and_says_why(values: list, options: dict, message: str) -> None:
    with pytest.raises(MetricInputError, match=message):
        metrics.mean_over_neurons(values, **options)


def test_weights_count_neurons_as_often() -> None:
    """A neuron of weight 3 counts as three neurons would; equal weights change nothing."""
    values, weights = np.array([0.1, np.nan, 0.9, -4.0]), np.array([3.0, np.nan, 1.0, 2.0])
    repeated = np.repeat(values[[0, 2, 3]], [3, 1, 2])
    assert metrics.mean_over_neurons(values, weights=weights).mean == pytest.approx(repeated.mean())
    plain = metrics.mean_over_neurons(values, resamples=500)
    alike = metrics.mean_over_neurons(values, weights=[7.0] * 4, resamples=500)
    assert (alike.mean, alike.low, alike.high) == pytest.approx((plain.mean, plain.low, plain.high))
    grouped = {"clusters": [0, 0, 1, 1], "resamples": 500}
    plain = metrics.mean_over_neurons(values, **grouped)
    alike = metrics.mean_over_neurons(values, weights=[7.0] * 4, **grouped)
    assert (alike.mean, alike.low, alike.high) == pytest.approx((plain.mean, plain.low, plain.high))
    for bad in ([1.0, 1.0], [0.0, 1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]):
        with pytest.raises(MetricInputError, match="weights"):
            metrics.mean_over_neurons(values, weights=bad)
