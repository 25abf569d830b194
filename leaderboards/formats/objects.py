"""JSON: everything that the tables hold, for programs."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from benchmark.column import SCORE
from benchmark.results.columns import NOVEL, TOP, base_set, on_a_set, score_column
from benchmark.token_text import json_text
from leaderboards.formats.numbers import rounded
from leaderboards.model import TEXT_COSTS, Leaderboard, Row, Score
from leaderboards.page import Page

VERSION = 1
PLAIN = (
    "rank",
    "label",
    "explainer",
    "target",
    "control",
    "evidence",
    "options",
    "run_id",
    "asked",
    "explained",
    "coverage",
    "subject_tokens",
    "explain_seconds",
    "simulate_seconds",
    "bytes",
    "largest_bytes",
)
PLAIN_OF_BOARD = (
    *("subject", "corpus", "scoring_set", "ranked_by", "group", "differs"),
    *("n_neurons", "layers", "context_length"),
)


def render(page: Page) -> str:
    """Return the page as one JSON object; see `docs/leaderboards.md` for its keys."""
    # The tracks of a subject and a corpus are the same for every scoring set.
    first = {(one.subject, one.corpus, one.group): id(one) for one in reversed(page.boards)}
    data = {
        "format_version": VERSION,
        "leaderboards": [_board(one, id(one) in first.values()) for one in page.boards],
        "across_subjects": {
            "ranked_by": page.averages.ranked_by,
            "places": [
                {"subject": subject, "corpus": corpus} for subject, corpus in page.averages.cells
            ],
            "rows": [dataclasses.asdict(row) for row in page.averages.rows],
        },
        "unread": [
            {"folder": str(one.folder), "reason": one.reason} for one in page.results.unread
        ],
    }
    return json_text(_written(_short(data))) + "\n"


def _written(value: Any) -> str:
    """Return a value as JSON: what holds no other object or list is one line, to be short."""
    if not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, dict):
        named = [(f"{json.dumps(name, ensure_ascii=False)}: ", one) for name, one in value.items()]
    else:
        named = [("", entry) for entry in value]
    if not any(isinstance(entry, dict | list) for _, entry in named):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inside = ",\n".join(f"{name}{_written(entry)}" for name, entry in named)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inside}\n{closing}"


def _board(board: Leaderboard, tracks: bool) -> dict[str, Any]:
    return {
        **{name: getattr(board, name) for name in PLAIN_OF_BOARD},
        "copied": board.rows[0].run.record.corpus.counts.get("copied") if board.rows else None,
        "rows": [_row(row, board) for row in board.rows],
        "apart": [
            {
                "label": one.label,
                "run_id": one.run_id,
                "reason": one.reason,
                "unverified": one.run.unverified or None,
            }
            for one in board.excluded
        ],
        "tracks": [
            {
                "family": track.family,
                "name": track.name,
                "limit": track.limit,
                "rows": [
                    {
                        **{name: getattr(row, name) for name in ("rank", "label", "run_id")},
                        **_marks(row),
                        "unverified": row.unverified or None,
                    }
                    for row in track.rows
                ],
            }
            for track in (board.tracks if tracks else ())
        ],
    }


def _row(row: Row, board: Leaderboard) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in PLAIN},
        **_text(row),
        "key": _score(row.key),
        **_marks(row),
        "scores": {name: _score(score) for name, score in row.scores.items() if _of(board, name)},
        "positives": row.positives.get(board.scoring_set),
        "undefined": row.undefined.get(board.scoring_set),
        "layers": {
            str(layer): {
                name: value
                for name, value in found.items()
                if name in ("neurons", "failed") or _of(board, name)
            }
            for layer, found in row.layers.items()
        },
        "fronts": sorted(row.fronts),
        "unverified": row.unverified or None,
    }


def _text(row: Row) -> dict[str, Any]:
    """Return the length of texts and r within it, nothing where they are no whole explanations."""
    if row.characters is None:
        return {}
    within = {str(budget): _score(score) for budget, score in row.within.items()}
    return {**{name: getattr(row, name) for name in TEXT_COSTS}, "r_within": within}


def _of(board: Leaderboard, column: str) -> bool:
    """Return whether a column is of the board's scoring set, or of none and so of the first."""
    if column in (score_column(TOP, "f1"), score_column(NOVEL, "pearson"), board.ranked_by):
        return True
    about = board.about(column)
    if not on_a_set(about):
        return about.kind == SCORE
    return base_set(about.group) == board.scoring_set


def _score(score: Score) -> dict[str, Any]:
    neuron_low, neuron_high = score.over_neurons()
    return {
        **{name: getattr(score, name) for name in ("mean", "low", "high", "over")},
        "neuron_low": neuron_low,
        "neuron_high": neuron_high,
        "n": score.n,
        "n_null": score.n_null,
    }


def _marks(row: Row) -> dict[str, Any]:
    """Return the difference to the row above, and how it is marked."""
    above = None
    if row.above is not None:
        above = {**dataclasses.asdict(row.above), "significant": row.above.mark == ""}
    return {"tied": row.tied(), "mark": row.mark(), "above": above}


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, dict):
        return {key: _short(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_short(entry) for entry in value]
    return value
