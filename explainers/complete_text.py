"""Complete texts of explanations: numbers and lines that are read back, and patterns in sets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product

from benchmark.graphs.notation import Place

NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
"""A number as a text shows it, in a regular expression."""

TOO_LARGE = 2.0**128 * (1 - 2.0**-25)
"""The smallest number that becomes infinite as a float32 (IEEE 754)."""

Places = tuple[Place, ...]

MOST_PATTERNS = 1_000_000
"""Patterns without alternatives that a line may stand for."""


@contextmanager
def line_named(number: int, line: str) -> Iterator[None]:
    """Name a line, counted from 1, in the `ValueError` of what cannot be read in it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"line {number}, '{line:.100}', cannot be read: {error}") from error


def read_number(text: str) -> float:
    """Return a number that a float32 can hold.

    Raises:
        ValueError: the text is none.
    """
    if not re.fullmatch(NUMBER, text) or abs(float(text)) >= TOO_LARGE:
        raise ValueError(f"'{text}' is no number of 32 bits")
    return float(text)


def joined(patterns: Iterable[Places]) -> list[Places]:
    """Return fewer patterns that stand for exactly the same ones.

    Patterns that differ in the tokens of one place only become one with alternatives, those of
    the earliest place first; any token is never an alternative.

    Args:
        patterns: distinct ones, with one token or any token at each place, in reading order.
    """
    found = list(patterns)
    for place in range(max(map(len, found), default=0)):
        groups: dict[tuple[Place | None, ...], Places] = {}
        for pattern in found:
            if place >= len(pattern) or not pattern[place]:
                groups[pattern] = pattern
                continue
            key = (*pattern[:place], None, *pattern[place + 1 :])
            before = groups.get(key, (*pattern[:place], ()))[place]
            groups[key] = (*pattern[:place], before + pattern[place], *pattern[place + 1 :])
        found = list(groups.values())
    return found


def expanded(places: Sequence[Place], any_token: int) -> Iterator[tuple[int, ...]]:
    """Yield the patterns without alternatives that one stands for.

    Args:
        places: in any order, which is kept.
        any_token: what stands where any token can.

    Raises:
        ValueError: there are too many.
    """
    if math.prod(len(place) or 1 for place in places) > MOST_PATTERNS:
        raise ValueError(f"it stands for more than {MOST_PATTERNS:,} patterns")
    return product(*(place or (any_token,) for place in places))
