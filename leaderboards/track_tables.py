"""Tables of tracks: rows by evidence, by size, and by the length of texts that are complete."""

from __future__ import annotations

from benchmark.results.columns import NOVEL, UNIFORM, score_column
from leaderboards.cells import TEXT_LEGEND, number
from leaderboards.model import BYTES, READABLE_TRACK, Track
from leaderboards.ranking import TEXT_BUDGETS
from leaderboards.tables import (
    EMPTY,
    INTERVALS,
    TIED,
    Table,
    cost_cells,
    head_cells,
    key_heading,
    text_cells,
)

WITHIN = tuple(budget for budget in TEXT_BUDGETS if budget is not None)
WITHIN_LEGEND = (
    "r within a number of characters: the mean of r if the r of a neuron whose text is longer "
    "counts as 0."
)


def track_table(track: Track, key: str) -> Table:
    """The rows that keep to one rule; `key` is the column that ranks them."""
    title = f"track {track.family}: {track.name}"
    if track.family == READABLE_TRACK:
        return _readable_table(track, key, title)
    rows = [
        [
            *head_cells(row),
            number(row.score(score_column(UNIFORM, "auprc"))),
            number(row.score(score_column(UNIFORM, "f1"))),
            *cost_cells(row),
            _whole(row.largest_bytes),
        ]
        for row in track.rows
    ]
    columns = ["#", "explainer", "evidence", key_heading(key), *INTERVALS, TIED, "AUPRC", "F1"]
    columns += ["tokens/n.", "s/n.", "bytes", "largest"]
    limit = track.limit
    caption = "" if limit is None else f"Every explanation has at most {limit:,} bytes, compressed."
    return Table(title, 4, columns, rows, 3, caption)


def _readable_table(track: Track, key: str, title: str) -> Table:
    """The rows whose texts are whole explanations."""
    rows = [
        [
            *head_cells(row),
            number(row.score(score_column(NOVEL, "pearson"))),
            *(number(row.within.get(budget)) for budget in WITHIN),
            *text_cells(row),
            _whole(row.largest_characters),
            *cost_cells(row, [BYTES]),
        ]
        for row in track.rows
    ]
    columns = ["#", "explainer", "evidence", key_heading(key), *INTERVALS, TIED, "novel r"]
    columns += [f"r within {budget:,}" for budget in WITHIN]
    columns += ["characters", "lines", "longest", "bytes"]
    caption = "The text of every explanation is the whole explanation"
    if track.limit is not None:
        caption += f" and has at most {track.limit:,} characters"
    return Table(title, 4, columns, rows, 3, f"{caption}.", f"{TEXT_LEGEND} {WITHIN_LEGEND}")


def _whole(value: float | None) -> str:
    return EMPTY if value is None else f"{value:,.0f}"
