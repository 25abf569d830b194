"""Numbers as machines read them: short enough to be the same on every machine."""

from __future__ import annotations

DIGITS = 6


def rounded(value: float | None) -> float | None:
    """Return six significant digits, whole numbers as they are, and no minus before a zero.

    The last digits of a mean depend on the order in which a processor adds.
    """
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{DIGITS}g}") + 0.0
