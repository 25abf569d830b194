"""Amounts as a person reads them: bytes and seconds."""

from __future__ import annotations

import math

TIMES = ((86400, "days"), (3600, "h"), (60, "min"))


def gigabytes(size: int) -> str:
    """Return a number of bytes as a person reads it: `20 kB`, `7.3 MB` or `22.1 GB`."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """Return a time as a person reads it: `0.4 s`, `40 s`, `3.2 min`, `5.1 h` or `8.7 days`."""
    for size, unit in TIMES:
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{math.ceil(seconds * 10) / 10:.1f} s"
