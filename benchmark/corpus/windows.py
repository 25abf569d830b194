"""Hashes of all windows of a fixed width in a sequence of numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

# Odd, so that it has an inverse modulo 2**64.
BASE = 0x9E3779B97F4A7C15


def window_hashes(values: npt.NDArray[Any], width: int) -> Hashes:
    """Return a 64-bit hash of each window of `width` values, `[n - width + 1]`.

    Equal windows have equal hashes, wherever they stand and on every machine. Different windows
    share one with a probability of about 2**-64, which is treated as never.

    Args:
        values: whole numbers of at least 0, `[n]`.
        width: values in a window.
    """
    n = len(values)
    if n < width:
        return np.empty(0, dtype=np.uint64)
    # A power of two, so that few tables of powers are made.
    forward, backward = _powers(1 << max(12, (n - 1).bit_length()))
    # A polynomial in BASE modulo 2**64: its prefix sums give every window's in one pass.
    terms = (_mixed(values.astype(np.uint64) + np.uint64(1))) * forward[:n]
    sums = np.cumsum(terms, dtype=np.uint64)
    windows = sums[width - 1 :].copy()
    windows[1:] -= sums[: n - width]
    windows *= backward[: n - width + 1]
    return _mixed(windows)


@lru_cache(maxsize=2)
def _powers(n: int) -> tuple[Hashes, Hashes]:
    """Return `BASE` and its inverse to the powers 0 to n - 1, modulo 2**64."""
    inverse = pow(BASE, -1, 2**64)
    tables = []
    for factor in (BASE, inverse):
        table = np.full(n, factor, dtype=np.uint64)
        table[0] = 1
        tables.append(np.multiply.accumulate(table))
    return tables[0], tables[1]


def _mixed(values: Hashes) -> Hashes:
    """Spread every bit over all bits; source: the finaliser of SplitMix64 (Steele et al. 2014)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values
