"""Bootstrap resampling and sign flips of many neurons, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Draws at once: indices and values stay in the processor's cache, whatever the numbers of neurons
# and resamples. The draws are the same for any number.
_DRAWS_IN_FLIGHT = 2**18
# Signs at once: 64 MB. The draws are others for another number.
_SIGNS_IN_FLIGHT = 2**22


def bootstrap_interval(
    values: NDArray[np.float64],
    *,
    groups: NDArray[np.int64] | None,
    resamples: int,
    level: float,
    seed: int,
    weights: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Return the percentile interval of the mean of `values` `[n]`, in the order they are given.

    Args:
        values: at least one.
        groups: what each value belongs to, ascending; None draws values one by one.
        resamples: number of resamples.
        level: probability that the interval covers.
        seed: seed of the draws.
        weights: how much each value counts, positive; None counts all alike.
    """
    generator = np.random.default_rng(seed)
    sums = values if weights is None else values * weights
    sizes = weights
    if groups is not None:
        starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
        sums = np.add.reduceat(sums, starts)
        sizes = np.add.reduceat(np.ones(len(values)) if weights is None else weights, starts)
    at_once = max(1, _DRAWS_IN_FLIGHT // len(sums))
    means = np.empty(resamples)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = generator.integers(len(sums), size=(count, len(sums)))
        if sizes is None:
            means[start : start + count] = sums[drawn].mean(axis=1)
        else:
            means[start : start + count] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def sign_flip_p_value(differences: NDArray[np.float64], *, resamples: int, seed: int) -> float:
    """Return the two-sided p-value of the mean of paired differences `[n]` with arbitrary signs.

    Where there are at most `resamples` patterns of signs, all are tried and the value is exact;
    else as many are drawn, and the observed one counts among them, so that it is never 0.
    """
    moving = differences[differences != 0]
    observed = abs(float(moving.sum()))
    # Sums in another order differ in the last digits; a tie must count as one.
    limit = observed - 1e-12 * float(np.abs(moving).sum())
    n = len(moving)
    if n < 63 and 2**n <= resamples:
        patterns = np.arange(2**n, dtype=np.int64)[:, None] >> np.arange(n) & 1
        sums = (1.0 - 2.0 * patterns) @ moving
        return float((np.abs(sums) >= limit).mean())
    generator = np.random.default_rng(seed)
    at_once = max(1, _SIGNS_IN_FLIGHT // n)
    as_large = 0
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        positive = generator.integers(2, size=(count, n), dtype=np.int8)
        sums = 2.0 * (positive.astype(np.float64) @ moving) - moving.sum()
        as_large += int((np.abs(sums) >= limit).sum())
    return (1 + as_large) / (1 + resamples)


def two_way_means(
    replicates: NDArray[np.float64], *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return the means of resamples of neurons, each on a resample of the documents in turn.

    Args:
        replicates: scores of each neuron on each resample of the documents, `[n, r]`, NaN where
            null; null ones are left out of a mean, which is NaN where none is left.
        resamples: number of means.
        seed: seed of the draws of neurons.
    """
    n, n_draws = replicates.shape
    generator = np.random.default_rng(seed)
    known = ~np.isnan(replicates)
    whole = bool(known.all())
    # A resample of the documents after another: what one mean takes lies close together.
    filled = np.where(known, replicates, 0.0).T.ravel()
    there = known.T.ravel()
    at_once = max(1, _DRAWS_IN_FLIGHT // n)
    means = np.empty(resamples)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = generator.integers(n, size=(count, n))
        drawn += (np.arange(start, start + count) % n_draws)[:, None] * n
        sums = filled.take(drawn).sum(axis=1)
        counts = n if whole else there.take(drawn).sum(axis=1)
        with np.errstate(invalid="ignore"):
            means[start : start + count] = sums / counts
    return means
