"""CSV: one row a run and scoring set, or one a layer, a track or a subject."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from benchmark.corpus.copies import copied_share
from benchmark.errors import BenchmarkError
from benchmark.results.columns import NOVEL, TOP, UNDEFINED, on_a_set, score_column
from benchmark.token_text import one_line
from leaderboards.formats.numbers import rounded
from leaderboards.model import TEXT_COSTS, Leaderboard, Row
from leaderboards.page import PARTS, Page

Record = dict[str, Any]

METRICS = ("pearson", "auprc", "f1", "iou")
COSTS = ("subject_tokens", "explain_seconds", "simulate_seconds", "bytes", "largest_bytes")
# Letters that a formula begins with, in the spreadsheets that people open such a file with.
FORMULA = ("=", "+", "-", "@")


def render(page: Page) -> str:
    """Return one table as CSV with a line of headings; null is empty, true and false are words.

    Raises:
        BenchmarkError: several tables are asked for, which one CSV file cannot hold.
    """
    parts = ["leaderboard"] if tuple(page.parts) == PARTS else list(page.parts)
    if len(parts) != 1:
        raise BenchmarkError(
            f"one CSV file holds one table, not {' and '.join(parts)}; name one: --table {parts[0]}"
        )
    records = list(records_of(page, parts[0]))
    columns = list(dict.fromkeys(name for record in records for name in record))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_text, columns))
    for record in records:
        writer.writerow([_cell(record.get(name)) for name in columns])
    return buffer.getvalue()


def records_of(page: Page, part: str) -> Iterator[Record]:
    """Return the rows of one of the page's tables, values by the names of their columns."""
    return _RECORDS[part](page)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(rounded(value))
    return _text(value) if isinstance(value, str) else str(value)


def _text(name: str) -> str:
    """Return a name in one line that spreadsheets take for no formula (it begins with = + - @)."""
    text = one_line(name)
    return f"'{text}" if text.startswith(FORMULA) else text


def _leaderboard(page: Page) -> Iterator[Record]:
    beside = _beside(page)
    for board in page.boards:
        for row in board.rows:
            yield _row(board, row, [*METRICS, *page.metrics], beside)
        for one in board.excluded:
            record = one.run.record
            yield {
                **_place(board),
                "label": one.label,
                "explainer": record.explainer.name,
                "control": record.explainer.control,
                "evidence": record.explainer.evidence,
                "run_id": one.run_id,
                "apart": one.reason,
                "unverified": one.run.unverified or None,
            }


def _beside(page: Page) -> list[str]:
    """Return the scores of any row that are on no scoring set."""
    names = [
        name for board in page.boards for name in board.columns if not on_a_set(board.about(name))
    ]
    return list(dict.fromkeys(names))


def _row(board: Leaderboard, row: Row, names: list[str], beside: list[str]) -> Record:
    of_set = board.scoring_set
    shown = {name: row.score(score_column(of_set, name)) for name in names}
    shown["novel_pearson"] = row.score(score_column(NOVEL, "pearson"))
    shown["top_f1"] = row.score(score_column(TOP, "f1"))
    shown |= {name: row.score(name) for name in beside}
    firing = row.score(score_column(of_set, "f1"))
    above = row.above
    return {
        **_place(board),
        "rank": row.rank,
        **_who(row),
        "run_id": row.run_id,
        "neurons": row.asked,
        board.ranked_by: row.key.mean,
        "low": row.key.low,
        "high": row.key.high,
        "interval_over": row.key.over,
        "neuron_low": row.key.over_neurons()[0],
        "neuron_high": row.key.over_neurons()[1],
        "tied": row.tied(),
        "mark": row.mark(),
        "difference_above": above.mean if above else None,
        "low_above": above.low if above else None,
        "high_above": above.high if above else None,
        "p_above": above.p if above else None,
        "holm_p_above": above.adjusted_p if above else None,
        "neuron_p_above": above.neuron_p if above else None,
        "neuron_holm_p_above": above.neuron_adjusted_p if above else None,
        **{name: score.mean if score else None for name, score in shown.items()},
        "positives": row.positives.get(of_set),
        "null": firing.n_null if firing else None,
        "undefined": row.undefined.get(of_set),
        "coverage": row.coverage,
        "copied_share": copied_share(row.run.record.corpus.counts),
        **{name: getattr(row, name) for name in COSTS},
        **_text_costs(row),
        "fronts": " ".join(sorted(row.fronts)),
        "apart": None,
        "unverified": row.unverified or None,
    }


def _layers(page: Page) -> Iterator[Record]:
    beside = _beside(page)
    for board in page.boards:
        for row in board.rows:
            for layer in board.layers:
                found = row.layers.get(layer, {})
                yield {
                    **_place(board),
                    "label": row.label,
                    "run_id": row.run_id,
                    "layer": layer,
                    "neurons": found.get("neurons"),
                    "failed": found.get("failed"),
                    "unverified": row.unverified or None,
                    "undefined": found.get(score_column(board.scoring_set, UNDEFINED)),
                    **{
                        name: found.get(score_column(board.scoring_set, name))
                        for name in (*METRICS, *page.metrics)
                    },
                    **{name: found[name] for name in beside if name in found},
                }


def _fronts(page: Page) -> Iterator[Record]:
    for board in page.boards:
        for row in board.rows if board.scoring_set == "uniform" else ():
            for front in sorted(row.fronts):
                yield {
                    "subject": board.subject,
                    "corpus": board.corpus,
                    "front": front,
                    "label": row.label,
                    "run_id": row.run_id,
                    board.ranked_by: row.key.mean,
                    "cost": row.cost(front),
                }


def _tracks(page: Page) -> Iterator[Record]:
    for board in page.boards:
        for track in board.tracks if board.scoring_set == "uniform" else ():
            for row in track.rows:
                yield {
                    "subject": board.subject,
                    "corpus": board.corpus,
                    "track": track.family,
                    "name": track.name,
                    "limit": track.limit,
                    "rank": row.rank,
                    **_who(row),
                    "run_id": row.run_id,
                    board.ranked_by: row.key.mean,
                    "tied": row.tied(),
                    "mark": row.mark(),
                    "holm_p_above": row.above.adjusted_p if row.above else None,
                    "bytes": row.bytes,
                    "largest_bytes": row.largest_bytes,
                    **_text_costs(row),
                    "unverified": row.unverified or None,
                }


def _subjects(page: Page) -> Iterator[Record]:
    for row in page.averages.rows:
        named = [f"{subject}/{corpus}" for subject, corpus in page.averages.cells]
        yield {
            **{n: getattr(row, n) for n in ("rank", "label", "control", "evidence", "mean")},
            **dict(zip(named, row.parts, strict=True)),
        }


def _text_costs(row: Row) -> Record:
    """Return the length of texts, nothing where they are not whole explanations."""
    if row.characters is None:
        return {}
    within = {
        f"r_within_{budget}{end}": getattr(score, part)
        for budget, score in row.within.items()
        for end, part in (("", "mean"), ("_low", "low"), ("_high", "high"))
    }
    return {**{name: getattr(row, name) for name in TEXT_COSTS}, **within}


def _place(board: Leaderboard) -> Record:
    return {name: getattr(board, name) for name in ("subject", "corpus", "scoring_set", "group")}


def _who(row: Row) -> Record:
    return {name: getattr(row, name) for name in ("label", "explainer", "control", "evidence")}


_RECORDS = {
    "leaderboard": _leaderboard,
    "layers": _layers,
    "fronts": _fronts,
    "tracks": _tracks,
    "subjects": _subjects,
}
