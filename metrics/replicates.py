"""Scores of neurons on resamples of the documents, and what they say of a mean over neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from metrics.aggregate import (
    NO_VALUE,
    ONE_VALUE,
    Estimate,
    as_scores,
    check_resampling,
)
from metrics.errors import MetricInputError
from metrics.resampling import two_way_means

ONE_DOCUMENT = "all text is of one document: the spread over documents is unknown"


@dataclass(frozen=True)
class Replicates:
    """Every neuron's score on each resample of the documents.

    Attributes:
        values: the scores, `[n_neurons, n_resamples]`, NaN where the metric is null.
        n_documents: how many documents were drawn from.
        draw: an identifier of the resamples; runs with the same one were scored on the same
            documents, as often each, so that their differences are paired.
    """

    values: NDArray[np.float64]
    n_documents: int
    draw: str

    def rows(self, which: NDArray[np.bool_]) -> Replicates:
        """Return the replicates of some of the neurons."""
        return replace(self, values=self.values[which])

    def minus(self, other: Replicates) -> Replicates:
        """Return the difference, resample by resample and neuron by neuron.

        Raises:
            MetricInputError: if the other ones are of other documents or other numbers of neurons.
        """
        if (self.draw, self.values.shape) != (other.draw, other.values.shape):
            raise MetricInputError(
                f"replicates of draw '{self.draw}', {list(self.values.shape)}, cannot be paired "
                f"with those of draw '{other.draw}', {list(other.values.shape)}."
            )
        return replace(self, values=self.values - other.values)


@dataclass(frozen=True)
class TwoWayEstimate(Estimate):
    """A mean over neurons and the interval it is likely to lie in for other neurons and documents.

    Attributes:
        p: two-sided p-value of a mean of 0; None where there is no interval.
    """

    p: float | None = None


def mean_over_neurons_and_documents(
    values: Float[Tensor, " n_neurons"] | NDArray[np.floating[Any]] | Sequence[float],
    replicates: Replicates,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> TwoWayEstimate:
    """Return the mean of a score over neurons with an interval over neurons and documents.

    Neurons and documents are both drawn with replacement, independently of each other: in every
    resample neurons are drawn, and their scores are taken on one of the resamples of the
    documents, which are used in turn. The interval is the percentile interval of the means. A
    neuron that is null on a resample of the documents is left out of that mean. The result does
    not depend on the order of neurons.

    The p-value divides the mean by the standard deviation of these means and takes Student's t
    with one degree of freedom less than there are neurons or documents, whichever are fewer: a few
    hundred resamples of the documents give a standard deviation, but no tail. It is at least
    1 / (resamples + 1).

    Args:
        values: one score per neuron on all documents, or a difference of two; NaN where null.
        replicates: the same of the same neurons on the resamples of the documents.
        resamples: number of bootstrap resamples.
        level: probability that the interval covers, between 0 and 1.
        seed: seed of the draws of neurons.

    Raises:
        MetricInputError: if there is not one row of replicates for each value, a value is
            infinite, or `resamples` or `level` is out of range.

    Source: Owen 2007, "The pigeonhole bootstrap", after McCullagh 2000, "Resampling and
    exchangeable arrays": rows and columns of a two-way table are resampled independently.
    """
    scores = as_scores(values)
    check_resampling(resamples, level)
    if replicates.values.ndim != 2 or len(replicates.values) != len(scores):
        raise MetricInputError(
            f"replicates have shape {list(replicates.values.shape)}; expected "
            f"[{len(scores)}, resamples], one row per neuron."
        )
    with_value = ~np.isnan(scores)
    known, kept = scores[with_value], replicates.values[with_value]
    # Sorted, so that the draw does not depend on the order in which neurons were scored.
    order = np.lexsort((*np.nan_to_num(kept[:, :8]).T, known))
    known, kept = known[order], kept[order]
    n, n_null = len(known), len(scores) - len(known)
    if n == 0:
        return TwoWayEstimate(None, None, None, 0, n_null, NO_VALUE)
    mean = float(known.mean())
    reason = ONE_VALUE if n == 1 else ONE_DOCUMENT
    if n == 1 or replicates.n_documents < 2 or np.isnan(kept).all():
        return TwoWayEstimate(mean, None, None, n, n_null, reason)
    means = two_way_means(kept, resamples=resamples, seed=seed)
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(means, [tail, 1.0 - tail])
    rounding = 1e-12 * float(np.nanmax(np.abs(kept)))
    degrees = min(n, replicates.n_documents) - 1
    p = _p_value(mean, float(np.nanstd(means)), degrees, rounding)
    return TwoWayEstimate(
        mean, float(low), float(high), n, n_null, None, max(p, 1 / (resamples + 1))
    )


def _p_value(mean: float, spread: float, degrees: int, rounding: float) -> float:
    """Return the two-sided p-value of Student's t; what is not above rounding errors is zero."""
    from scipy.special import stdtr

    if abs(mean) <= rounding:
        return 1.0
    return 2 * float(stdtr(degrees, -abs(mean) / spread)) if spread > rounding else 0.0
