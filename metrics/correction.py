"""Correction of many p-values that stand in one table."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.errors import MetricInputError


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values: the chance of any false finding in the table stays below
    them.

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
