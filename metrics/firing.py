"""Counts of tokens that fire and of tokens predicted to fire, shared by the firing metrics."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metrics.sharing import shared
from metrics.validation import check_arrays


@dataclass(frozen=True)
class FiringCounts:
    """Tokens of each neuron by whether they fire and were predicted to, float64.

    All are `[n_neurons]`, or `[n_neurons, n_resamples]` where texts were resampled.

    Attributes:
        hits: tokens that fire and were predicted to (true positives).
        fired: tokens that fire (positives).
        predicted: tokens that were predicted to fire.
        tokens: all tokens.
    """

    hits: Float[Tensor, " n_neurons *resamples"]
    fired: Float[Tensor, " n_neurons *resamples"]
    predicted: Float[Tensor, " n_neurons *resamples"]
    tokens: int | Float[Tensor, " n_neurons *resamples"]

    def of_non_firing(self) -> FiringCounts:
        """Return the counts of the other class: tokens that do not fire."""
        return FiringCounts(
            hits=self.tokens - self.fired - self.predicted + self.hits,
            fired=self.tokens - self.fired,
            predicted=self.tokens - self.predicted,
            tokens=self.tokens,
        )

    def null_if_never_fired(
        self, scores: Float[Tensor, " n_neurons *resamples"]
    ) -> Float[Tensor, " n_neurons *resamples"]:
        """Return the scores, null (NaN) for each neuron whose truth never fires."""
        return scores.masked_fill(self.fired == 0, torch.nan)


@shared
def is_firing(
    activations: Float[Tensor, "n_neurons n_tokens"], threshold: Float[Tensor, " n_neurons"]
) -> Bool[Tensor, "n_neurons n_tokens"]:
    """Return which activations are at or above their neuron's threshold, both in raw units."""
    return activations >= threshold[:, None]


@shared
def count_firing(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> FiringCounts:
    """Count firing tokens; the prediction is binarised at the truth's raw-unit threshold.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.
    """
    check_arrays(truth, prediction, threshold)
    fired = is_firing(truth, threshold)
    predicted = is_firing(prediction, threshold)
    return FiringCounts(
        hits=(fired & predicted).sum(dim=1).double(),
        fired=fired.sum(dim=1).double(),
        predicted=predicted.sum(dim=1).double(),
        tokens=truth.shape[1],
    )


class CountMetric:
    """A metric of firing that follows from counts of tokens, of any shape.

    It decorates the formula on `FiringCounts`; the metric itself takes arrays.
    """

    def __init__(self, of_counts: Callable[[FiringCounts], Tensor]) -> None:
        self.of_counts = of_counts
        functools.update_wrapper(self, of_counts)

    def __call__(
        self,
        truth: Float[Tensor, "n_neurons n_tokens"],
        prediction: Float[Tensor, "n_neurons n_tokens"],
        threshold: Float[Tensor, " n_neurons"],
    ) -> Float[Tensor, " n_neurons"]:
        """Score every neuron at its threshold.

        Raises:
            MetricInputError: if shapes, types or devices do not fit.
        """
        return self.of_counts(count_firing(truth, prediction, threshold))


def at_non_firing(metric: CountMetric) -> CountMetric:
    """Return the metric of the other class: of the tokens that do not fire.

    It is null (NaN) where every token fires. Near 1 for any explanation of a neuron that fires
    rarely.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), whose table reports precision,
    recall and F1 of the non-firing class beside those of the firing class.
    """
    return CountMetric(lambda counts: metric.of_counts(counts.of_non_firing()))
