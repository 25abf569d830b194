"""The two-way bootstrap: against drawing neurons and documents one by one from raw activations."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import metrics
from metrics import MetricInputError, Replicates, Units, paired_difference
from metrics.replicates import ONE_DOCUMENT, mean_over_neurons_and_documents

N_DOCUMENTS = 9


def activations(n: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """True and predicted activations of neurons on documents of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    documents = torch.randint(0, N_DOCUMENTS, (150,), generator=generator).sort().values
    truth, noise = torch.rand(2, n, 150, generator=generator)
    truth[0] = truth[0].where(documents == 2, 0.1)  # fires in one document, null without it
    return truth, truth + noise, documents


def slowly(
    name: str,
    predictions: list[torch.Tensor],
    truth: torch.Tensor,
    documents: torch.Tensor,
    weights: torch.Tensor,
    resamples: int,
    seed: int,
) -> np.ndarray:
    """Means of the score, or of its difference of two predictions, drawn one by one.

    The neurons that are drawn are those of the generator of the package; each is scored on the
    tokens of the documents that are drawn, copied as often as they are.
    """
    threshold = torch.full((len(truth),), 0.8)

    def scored(tokens: torch.Tensor) -> np.ndarray:
        first, *rest = (
            metrics.compute([name], truth[:, tokens], each[:, tokens], threshold)[name].numpy()
            for each in predictions
        )
        return first - rest[0] if rest else first

    whole = scored(torch.arange(len(documents)))
    order = [row for row in np.argsort(whole) if not np.isnan(whole[row])]
    drawn = np.random.default_rng(seed).integers(len(order), size=(resamples, len(order)))
    means = []
    for number, rows in enumerate(drawn):
        weight = weights[number % len(weights)]
        tokens = torch.cat(
            [
                torch.nonzero(documents == document)[:, 0].repeat(int(times))
                for document, times in enumerate(weight)
            ]
        )
        values = scored(tokens)[[order[row] for row in rows]]
        means.append(np.nanmean(values))
    return np.array(means)


@pytest.mark.parametrize("name", ["pearson", "auprc", "f1"])
@pytest.mark.parametrize("paired", [False, True])
def test_all_at_once_is_the_bootstrap_drawn_one_by_one(name: str, paired: bool) -> None:
    truth, prediction, documents = activations()
    predictions = [prediction, prediction.flip(1)][: 1 + paired]
    threshold = torch.full((len(truth),), 0.8)
    weights = metrics.draw_weights(N_DOCUMENTS, 7, seed=1)
    replicates, scores = [], []
    for each in predictions:
        units = Units.of_documents(truth, each, threshold, documents)
        found = metrics.resampled_scores([name], units, weights)[name].numpy()
        replicates.append(Replicates(found, N_DOCUMENTS, "one"))
        scores.append(metrics.compute([name], truth, each, threshold)[name].numpy())
    expected = slowly(name, predictions, truth, documents, weights, 40, seed=5)
    low, high = np.quantile(expected, [0.05, 0.95])
    options = {"resamples": 40, "level": 0.9, "seed": 5}
    if paired:
        both = paired_difference(*scores, replicates=tuple(replicates), **options)
        assert (both.both_low, both.both_high) == pytest.approx((low, high), abs=1e-6)
        assert both.mean == pytest.approx(np.nanmean(scores[0] - scores[1]))
    else:
        one = mean_over_neurons_and_documents(scores[0], replicates[0], **options)
        assert (one.low, one.high) == pytest.approx((low, high), abs=1e-6)
        assert one.mean == pytest.approx(np.nanmean(scores[0]))


def made(
    effect: float, *, n: int = 60, n_documents: int = 40, draws: int = 200, seed: int = 0
) -> tuple[np.ndarray, Replicates]:
    """Scores that are means over documents, with an effect of each document on all neurons."""
    generator = np.random.default_rng(seed)
    cells = generator.normal(size=(n, 1)) + 0.3 * generator.normal(size=(n, n_documents))
    cells = cells + effect * generator.normal(size=(1, n_documents))
    weights = metrics.draw_weights(n_documents, draws, seed=seed).numpy() / n_documents
    return cells.mean(1), Replicates(cells @ weights.T, n_documents, "made")


def width(estimate: metrics.Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low


def test_documents_that_matter_widen_the_interval_as_theory_says() -> None:
    scores, replicates = made(effect=2.0)
    neurons = metrics.mean_over_neurons(scores)
    both = mean_over_neurons_and_documents(scores, replicates)
    variance = scores.var() / 60 + 4.0 / 40
    assert width(both) > 1.5 * width(neurons)
    assert width(both) == pytest.approx(2 * 1.96 * variance**0.5, rel=0.25)


def test_documents_that_do_not_matter_leave_it_as_it_is() -> None:
    scores, replicates = made(effect=0.0)
    neurons = metrics.mean_over_neurons(scores)
    both = mean_over_neurons_and_documents(scores, replicates)
    assert both.mean == neurons.mean
    assert width(both) == pytest.approx(width(neurons), rel=0.1)


def test_the_interval_covers_the_mean_of_other_neurons_and_documents() -> None:
    """With an effect of documents the interval over neurons alone misses it far too often."""
    hits = {"both": 0, "neurons": 0}
    for seed in range(120):
        scores, replicates = made(effect=1.0, n=30, n_documents=30, seed=seed)
        both = mean_over_neurons_and_documents(scores, replicates, resamples=1000)
        alone = metrics.mean_over_neurons(scores, resamples=1000)
        for name, one in (("both", both), ("neurons", alone)):
            assert one.low is not None
            assert one.high is not None
            hits[name] += one.low <= 0 <= one.high
    # 95 % of 120 is 114 with a standard deviation of 2.4.
    assert hits["both"] >= 105
    assert hits["neurons"] < hits["both"] - 10


def test_a_pair_keeps_its_documents_together() -> None:
    """What documents do to both explainers alike is gone from the difference."""
    first, one = made(effect=3.0)
    generator = np.random.default_rng(9)
    gap = 0.2 + 0.05 * generator.normal(size=len(first))
    second, other = first - gap, Replicates(one.values - gap[:, None], 40, "made")
    found = paired_difference(first, second, replicates=(one, other))
    assert found.both_low is not None
    assert found.both_high is not None
    assert found.both_high - found.both_low < 0.05
    assert found.both_low > 0.15
    assert found.both_p is not None
    assert found.both_p < 0.001


def test_a_difference_of_these_documents_alone_is_not_significant_over_both() -> None:
    """One document decides: every neuron gains there, and nowhere else."""
    cells = np.zeros((50, 20))
    cells[:, 3] = 1 + 0.1 * np.random.default_rng(0).normal(size=50)
    weights = metrics.draw_weights(20, 200, seed=0).numpy() / 20
    first, one = cells.mean(1), Replicates(cells @ weights.T, 20, "x")
    nothing = np.zeros(50), Replicates(np.zeros_like(one.values), 20, "x")
    found = paired_difference(first, nothing[0], replicates=(one, nothing[1]))
    assert found.p is not None
    assert found.p < 0.001
    assert found.both_p is not None
    assert found.both_p > 0.1
    assert found.both_low is not None
    assert found.both_low <= 1e-12


def test_p_values_under_the_null_are_as_small_as_they_say() -> None:
    small = 0
    for seed in range(200):
        scores, replicates = made(effect=1.0, n=20, n_documents=20, seed=1000 + seed)
        found = mean_over_neurons_and_documents(scores, replicates, resamples=400)
        assert found.p is not None
        small += found.p <= 0.1
    # 10 % of 200 is 20, with a standard deviation of 4.2.
    assert small <= 32


def test_equal_scores_are_no_evidence_and_a_constant_difference_is_all_there_can_be() -> None:
    scores, replicates = made(effect=1.0)
    same = paired_difference(scores, scores, replicates=(replicates, replicates))
    assert (same.both_low, same.both_high, same.both_p) == (0.0, 0.0, 1.0)
    ones, zeros = (Replicates(np.full((5, 10), value), 4, "x") for value in (1.0, 0.0))
    apart = paired_difference(np.ones(5), np.zeros(5), replicates=(ones, zeros), resamples=99)
    assert (apart.both_low, apart.both_high, apart.both_p) == (1.0, 1.0, 0.01)


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(10)))
def test_the_order_of_neurons_does_not_matter(order: list[int]) -> None:
    scores, replicates = made(effect=1.0, n=10)
    scores[4] = np.nan
    scores[6] = scores[7]
    expected = mean_over_neurons_and_documents(scores, replicates, resamples=50)
    turned = Replicates(replicates.values[order], replicates.n_documents, replicates.draw)
    assert mean_over_neurons_and_documents(scores[order], turned, resamples=50) == expected


def test_a_neuron_without_a_value_counts_and_one_without_it_somewhere_is_left_out_there() -> None:
    scores, replicates = made(effect=0.0, n=5, draws=20)
    scores[2] = np.nan
    replicates.values[2] = np.nan
    replicates.values[0, :10] = np.nan
    found = mean_over_neurons_and_documents(scores, replicates, resamples=400)
    assert (found.n, found.n_null) == (4, 1)
    assert found.low is not None
    assert found.mean == pytest.approx(np.nanmean(scores))


def test_one_document_or_neuron_has_no_interval() -> None:
    one = Replicates(np.ones((2, 5)), 1, "x")
    found = mean_over_neurons_and_documents([0.5, 0.6], one)
    assert (found.low, found.p, found.reason) == (None, None, ONE_DOCUMENT)
    single = Replicates(np.ones((1, 5)), 3, "x")
    assert mean_over_neurons_and_documents([0.5], single).low is None
    assert mean_over_neurons_and_documents([np.nan], single).mean is None


def test_the_difference_is_what_json_keeps() -> None:
    scores, replicates = made(effect=1.0)
    found = paired_difference(scores, scores + 0.1, replicates=(replicates, replicates))
    assert metrics.PairedDifference(**json.loads(json.dumps(found.to_dict()))) == found


def test_refuses_what_is_of_other_documents_or_neurons() -> None:
    scores, replicates = made(effect=0.0)
    other = Replicates(replicates.values, 40, "another draw")
    with pytest.raises(MetricInputError, match=r"draw 'made'.* cannot be paired .*'another draw'"):
        paired_difference(scores, scores, replicates=(replicates, other))
    with pytest.raises(MetricInputError, match=r"shape \[60, 200\]; expected \[59, resamples\]"):
        mean_over_neurons_and_documents(scores[1:], replicates)
