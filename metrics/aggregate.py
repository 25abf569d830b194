"""The mean of a score over neurons, with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from metrics.errors import MetricInputError
from metrics.resampling import bootstrap_interval

NO_VALUE = "no neuron has a value"
ONE_VALUE = "one neuron has a value: its spread over neurons is unknown"
ONE_CLUSTER = "all neurons are of one cluster: the spread over clusters is unknown"


@dataclass(frozen=True)
class Estimate:
    """A mean over neurons and the interval it is likely to lie in.

    Attributes:
        mean: mean of the values that are not null; None if all are.
        low: lower end of the bootstrap interval; None if there is no interval.
        high: upper end of it; None if there is no interval.
        n: neurons that have a value.
        n_null: neurons whose value is null (NaN), left out of the mean.
        reason: why there is no interval; None if there is one.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_null: int
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON-able values."""
        return asdict(self)


def mean_over_neurons(
    values: Float[Tensor, " n_neurons"] | NDArray[np.floating[Any]] | Sequence[float],
    *,
    clusters: Sequence[int] | NDArray[np.integer[Any]] | None = None,
    weights: NDArray[np.floating[Any]] | Sequence[float] | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return the mean of a score over neurons with a bootstrap percentile interval, nulls left out.

    Neurons are drawn with replacement; with `clusters`, whole clusters are, each with all its
    neurons, because neurons of one layer resemble each other and their number then overstates
    what is known. The mean is that over neurons either way. The result depends on the values, not
    on their order, and repeats exactly for the same seed.

    Args:
        values: one score per neuron, NaN where it is null.
        clusters: what each neuron belongs to, such as its layer; None draws neurons.
        weights: how much each neuron counts in the mean; None counts all alike. Those of neurons
            without a value do not matter.
        resamples: number of bootstrap resamples.
        level: probability the interval covers, between 0 and 1.
        seed: seed of the resampling.

    Returns:
        The estimate. With fewer than two values, or two clusters, there is no interval, and
        `reason` says why.

    Raises:
        MetricInputError: if the values are not one-dimensional or one is infinite, if there is not
            one cluster and one positive weight for each, or if `resamples` or `level` is out of
            range.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife"; for clusters Field and
    Welsh 2007, "Bootstrapping clustered data".
    """
    scores = as_scores(values)
    labels = as_clusters(clusters, len(scores))
    check_resampling(resamples, level)
    with_value = ~np.isnan(scores)
    labels = labels[with_value]
    # Sorted, so that the draw does not depend on the order in which neurons were scored.
    order = np.lexsort((scores[with_value], labels))
    known, labels = scores[with_value][order], labels[order]
    n_null = len(scores) - len(known)
    heavy = None if weights is None else _as_weights(weights, with_value)[order]
    if len(known) == 0:
        return Estimate(None, None, None, 0, n_null, NO_VALUE)
    mean = float(known.mean()) if heavy is None else float((known * heavy).sum() / heavy.sum())
    if len(known) == 1:
        return Estimate(mean, None, None, 1, n_null, ONE_VALUE)
    groups = None if clusters is None else labels
    if groups is not None and groups[0] == groups[-1]:
        return Estimate(mean, None, None, len(known), n_null, ONE_CLUSTER)
    low, high = bootstrap_interval(
        known, groups=groups, resamples=resamples, level=level, seed=seed, weights=heavy
    )
    return Estimate(mean, low, high, len(known), n_null)


def check_resampling(resamples: int, level: float) -> None:
    """Check what every resampling takes.

    Raises:
        MetricInputError: if `resamples` is below 1 or `level` not between 0 and 1.
    """
    if resamples < 1:
        raise MetricInputError(f"resamples is {resamples}; it must be at least 1.")
    if not 0.0 < level < 1.0:
        raise MetricInputError(f"level is {level}; it must lie between 0 and 1, such as 0.95.")


def _as_weights(
    weights: NDArray[np.floating[Any]] | Sequence[float], with_value: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the weights of the neurons that have a value.

    Raises:
        MetricInputError: if there is not one for each neuron, or one that matters is not positive.
    """
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != with_value.shape:
        raise MetricInputError(
            f"weights have shape {list(given.shape)}; expected [{len(with_value)}], one per neuron."
        )
    used = given[with_value]
    if not (np.isfinite(used) & (used > 0)).all():
        raise MetricInputError("weights of neurons with a value must be positive numbers.")
    return used


def as_clusters(
    clusters: Sequence[int] | NDArray[np.integer[Any]] | None, n_neurons: int
) -> NDArray[np.int64]:
    """Return one cluster label per neuron; the same for all where there are no clusters.

    Raises:
        MetricInputError: if there are more or fewer labels than neurons.
    """
    if clusters is None:
        return np.zeros(n_neurons, dtype=np.int64)
    labels = np.asarray(clusters)
    if labels.shape != (n_neurons,):
        raise MetricInputError(
            f"clusters have shape {list(labels.shape)}; expected [{n_neurons}], one per neuron."
        )
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def as_scores(
    values: Float[Tensor, " n_neurons"] | NDArray[np.floating[Any]] | Sequence[float],
) -> NDArray[np.float64]:
    """Return scores as a float64 array `[n_neurons]`.

    Raises:
        MetricInputError: if there are more dimensions, or one score is infinite.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise MetricInputError(
            f"values have shape {list(array.shape)}; expected [n_neurons], one score per neuron."
        )
    if np.isinf(array).any():
        row = int(np.isinf(array).argmax())
        raise MetricInputError(
            f"values hold an infinite score at neuron row {row}; a null score is NaN."
        )
    return array
