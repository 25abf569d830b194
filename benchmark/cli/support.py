"""What the scores of a single neuron rest on, as rows of the table that `show` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.cli.table import count
from benchmark.results.scores import EFFECTIVE_TOKENS, PEARSON_HIGH, PEARSON_LOW, POSITIVES

LEGEND = """\
over documents: bootstrap interval of this neuron's correlation, whole documents drawn again.
effective tokens: how many tokens the correlation rests on, (sum of d^2)^2 / sum of d^4 with d the
deviation of the truth from its mean. positives: tokens on which the neuron fires.
"""


def correlation_rows(row: Mapping[str, Any], sets: Sequence[str]) -> list[list[str]]:
    """Return what stands beneath a neuron's correlation; nothing for a run without it.

    Args:
        row: the neuron's row of the scores.
        sets: the scoring sets that the table has a column for.
    """
    if not any(f"{chosen}/{EFFECTIVE_TOKENS}" in row for chosen in sets):
        return []
    intervals, effective = ["  over documents"], ["  effective tokens"]
    for chosen in sets:
        known = f"{chosen}/{EFFECTIVE_TOKENS}" in row
        low, high = (row.get(f"{chosen}/{name}") for name in (PEARSON_LOW, PEARSON_HIGH))
        ends = "-" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
        intervals.append(ends if known else "")
        tokens = row.get(f"{chosen}/{EFFECTIVE_TOKENS}")
        effective.append(("-" if tokens is None else f"{tokens:,.1f}") if known else "")
    return [intervals, effective]


def positives_rows(row: Mapping[str, Any], sets: Sequence[str]) -> list[list[str]]:
    """Return how many tokens of each set the neuron fires on; nothing for a run without it."""
    counts = [row.get(f"{chosen}/{POSITIVES}") for chosen in sets]
    if all(value is None for value in counts):
        return []
    return [["positives", *("" if value is None else count(value) for value in counts)]]
