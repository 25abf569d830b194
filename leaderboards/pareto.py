"""Pareto fronts: explainers that no other one beats in quality and cost at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pareto_front(quality: Sequence[float | None], cost: Sequence[float | None]) -> list[bool]:
    """Return which points no other beats: as good at no higher cost, and better in one.

    Args:
        quality: larger is better; a point without quality is on no front.
        cost: smaller is better; a point without cost is on no front.
    """
    good = np.array([np.nan if value is None else value for value in quality], dtype=np.float64)
    dear = np.array([np.nan if value is None else value for value in cost], dtype=np.float64)
    known = ~(np.isnan(good) | np.isnan(dear))
    no_worse = (good[:, None] >= good) & (dear[:, None] <= dear)
    better = (good[:, None] > good) | (dear[:, None] < dear)
    beaten = (no_worse & better & known[:, None]).any(axis=0)
    return [bool(value) for value in known & ~beaten]
