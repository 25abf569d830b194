"""Support of single neurons' scores in the tables that `show` prints: intervals and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.results.columns import (
    EFFECTIVE_TOKENS,
    PEARSON_HIGH,
    PEARSON_LOW,
    POSITIVES,
    score_column,
)
from leaderboards.cells import count

OVER_DOCUMENTS, EFFECTIVE = "over documents", "effective tokens"
CORRELATION_LEGEND = """\
over documents: bootstrap interval of this neuron's correlation, whole documents drawn again.
effective tokens: how many tokens the correlation rests on, (sum of d^2)^2 / sum of d^4 with d the
deviation of the truth from its mean.
"""
LEGEND = f"""\
{CORRELATION_LEGEND.rstrip()} positives: tokens on which the neuron fires.
"""


def has_support(row: Mapping[str, Any], chosen: str) -> bool:
    """Tell whether a row of the scores says what its correlation on a scoring set rests on."""
    return score_column(chosen, EFFECTIVE_TOKENS) in row


def support(row: Mapping[str, Any], chosen: str) -> list[str]:
    """Return a neuron's interval over documents and its effective number of tokens."""
    low, high = (row.get(score_column(chosen, name)) for name in (PEARSON_LOW, PEARSON_HIGH))
    tokens = row.get(score_column(chosen, EFFECTIVE_TOKENS))
    return [
        "-" if low is None or high is None else f"[{low:.3f}, {high:.3f}]",
        "-" if tokens is None else f"{tokens:,.1f}",
    ]


def correlation_rows(row: Mapping[str, Any], sets: Sequence[str]) -> list[list[str]]:
    """Return what stands beneath a neuron's correlation; nothing for a run without it.

    Args:
        row: the neuron's row of the scores.
        sets: the scoring sets that the table has a column for.
    """
    if not any(has_support(row, chosen) for chosen in sets):
        return []
    cells = [support(row, chosen) if has_support(row, chosen) else ["", ""] for chosen in sets]
    return [
        [f"  {heading}", *column]
        for heading, column in zip(
            (OVER_DOCUMENTS, EFFECTIVE), zip(*cells, strict=True), strict=True
        )
    ]


def positives_rows(row: Mapping[str, Any], sets: Sequence[str]) -> list[list[str]]:
    """Return how many tokens of each set the neuron fires on; nothing for a run without it."""
    counts = [row.get(score_column(chosen, POSITIVES)) for chosen in sets]
    if all(value is None for value in counts):
        return []
    return [["positives", *("" if value is None else count(value) for value in counts)]]
