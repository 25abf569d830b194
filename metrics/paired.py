"""The difference between two explainers on the same neurons, how sure it is, and among how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from metrics.aggregate import as_clusters, as_scores, check_resampling, mean_over_neurons
from metrics.errors import MetricInputError
from metrics.replicates import Replicates, mean_over_neurons_and_documents
from metrics.resampling import sign_flip_p_value

Scores = Float[Tensor, " n_neurons"] | NDArray[np.floating[Any]] | Sequence[float]


@dataclass(frozen=True)
class PairedDifference:
    """The mean over neurons of one score minus another, neuron by neuron.

    Attributes:
        mean: mean difference; None if no neuron has both scores.
        low: lower end of the bootstrap interval over neurons; None if there is none.
        high: upper end of it.
        cluster_low: lower end of the interval over clusters; None without two clusters.
        cluster_high: upper end of it.
        p: two-sided p-value of the sign-flip permutation test over neurons; None without a mean.
        n: neurons that have both scores.
        n_null: neurons of which a score is null, left out.
        reason: why there is no interval; None if there is one.
        both_low: lower end of the bootstrap interval over neurons and documents; None without
            replicates of both scores on the same documents.
        both_high: upper end of it.
        both_p: two-sided p-value of the bootstrap over neurons and documents; None without it.
    """

    mean: float | None
    low: float | None
    high: float | None
    cluster_low: float | None
    cluster_high: float | None
    p: float | None
    n: int
    n_null: int
    reason: str | None = None
    both_low: float | None = None
    both_high: float | None = None
    both_p: float | None = None

    @property
    def over_both(self) -> bool:
        """Return whether there are an interval and a p-value over neurons and documents."""
        return self.both_p is not None

    @property
    def widest(self) -> tuple[float | None, float | None]:
        """Return the interval that claims least: over neurons and documents, else over neurons."""
        return (self.both_low, self.both_high) if self.over_both else (self.low, self.high)

    @property
    def widest_p(self) -> float | None:
        """Return the p-value over neurons and documents, else that over neurons."""
        return self.both_p if self.over_both else self.p

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON-able values."""
        return asdict(self)


def paired_difference(
    first: Scores,
    second: Scores,
    *,
    clusters: Sequence[int] | NDArray[np.integer[Any]] | None = None,
    replicates: tuple[Replicates, Replicates] | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Return the mean of `first - second` over neurons that have both, with interval and p-value.

    The intervals are bootstrap percentile intervals of the differences, over neurons and over
    whole clusters. The p-value asks how often the mean difference would be as far from 0 if on
    each neuron it were a coin toss which explainer has which score; it is exact where all patterns
    of signs fit into `resamples`, else at least 1 / (resamples + 1). Both take the documents as
    they are. With `replicates` there are an interval and a p-value over neurons and documents as
    well: each resample takes the same neurons and the same documents for both explainers. The
    result does not depend on the order of neurons.

    Args:
        first: scores of one explainer, NaN where null.
        second: scores of the other on the same neurons in the same order.
        clusters: what each neuron belongs to, such as its layer.
        replicates: both explainers' scores on the same resamples of the documents; None where one
            of them has none.
        resamples: bootstrap resamples, and patterns of signs.
        level: probability that the intervals cover, between 0 and 1.
        seed: seed of the resampling.

    Raises:
        MetricInputError: if there is not one score of each for every neuron, one is infinite, or
            `resamples` or `level` is out of range.

    Source: the sign-flip (Fisher) permutation test of paired differences, Fisher 1935, "The Design
    of Experiments".
    """
    left, right = as_scores(first), as_scores(second)
    if left.shape != right.shape:
        raise MetricInputError(
            f"first has {len(left)} scores but second {len(right)};"
            " both must be of the same neurons in the same order."
        )
    check_resampling(resamples, level)
    labels = as_clusters(clusters, len(left))
    differences = left - right
    estimate = partial(mean_over_neurons, resamples=resamples, level=level, seed=seed)
    over_neurons = estimate(differences)
    if over_neurons.mean is None:
        return PairedDifference(
            None, None, None, None, None, None, 0, over_neurons.n_null, over_neurons.reason
        )
    by_cluster = None
    if clusters is not None:
        by_cluster = estimate(differences, clusters=labels)
    known = np.sort(differences[~np.isnan(differences)])
    both_low = both_high = both_p = None
    if replicates is not None:
        paired = replicates[0].minus(replicates[1])
        both = mean_over_neurons_and_documents(
            differences, paired, resamples=resamples, level=level, seed=seed
        )
        both_low, both_high, both_p = both.low, both.high, both.p
    return PairedDifference(
        mean=over_neurons.mean,
        low=over_neurons.low,
        high=over_neurons.high,
        cluster_low=by_cluster.low if by_cluster else None,
        cluster_high=by_cluster.high if by_cluster else None,
        p=sign_flip_p_value(known, resamples=resamples, seed=seed),
        n=over_neurons.n,
        n_null=over_neurons.n_null,
        reason=over_neurons.reason,
        both_low=both_low,
        both_high=both_high,
        both_p=both_p,
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values: they bound the chance of any false finding in the table.

    The k-th smallest of m is multiplied by m - k + 1, then made no smaller than those before it
    and at most 1. A p-value of None stays None and counts for nothing.

    Raises:
        MetricInputError: if a p-value is not between 0 and 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    for p in p_values:
        if p is not None and not 0.0 <= p <= 1.0:
            raise MetricInputError(f"a p-value is {p}; it must lie between 0 and 1.")
    known = sorted((p, row) for row, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, row) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[row] = largest
    return adjusted
