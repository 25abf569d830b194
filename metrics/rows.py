"""Neurons as rows whose sums do not depend on their number."""

from __future__ import annotations

from torch import Tensor


def at_least_two(rows: Tensor) -> Tensor:
    """Return the rows, contiguous; a single one twice.

    torch sums a single row in as many parts as there are threads, but several rows each from
    start to end: only so do the last digits not depend on the chunk and the machine.
    """
    return rows.expand(2, *rows.shape[1:]).contiguous() if len(rows) == 1 else rows.contiguous()
