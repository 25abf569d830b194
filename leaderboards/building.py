"""From runs to leaderboards."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from benchmark.analysis.compare import ranking_column
from benchmark.analysis.labels import run_labels
from benchmark.evidence import SCORING_SETS
from benchmark.results import Run
from leaderboards.grouping import Group, by_subject_and_corpus, comparable_groups, why_apart
from leaderboards.model import BYTES, SECONDS, SUBJECT_TOKENS, Apart, Leaderboard, Row
from leaderboards.pareto import pareto_front
from leaderboards.ranking import PairedTests, ranked
from leaderboards.rows import row_of
from leaderboards.tracks import tracks_of
from metrics import get


def build(runs: Sequence[Run], rank_by: str | None = None) -> list[Leaderboard]:
    """One leaderboard for each subject, corpus and scoring set, by the names of these.

    The runs of a subject and a corpus that can be compared (same neurons, same text, same schema)
    share a board; the largest group of them comes first and names all the others as kept apart.
    A further group of at least two runs has boards of its own. Unverified runs stand below the
    others of their board, without a rank, and do not count for the size of a group.

    Args:
        runs: finished runs, in any order; the order does not matter.
        rank_by: the metric on the `uniform` set that orders the rows; None takes Pearson.

    Raises:
        BenchmarkError: `rank_by` is not known, fails the sanity tests or is of another scoring set.
    """
    column = ranking_column(rank_by)
    found: list[Leaderboard] = []
    ordered = sorted(runs, key=lambda run: (run.record.finished, run.record.run_id))
    for members in by_subject_and_corpus(ordered).values():
        names = dict(zip(map(id, members), run_labels(members), strict=True))
        groups = comparable_groups(members, column)
        usable = [group for group in groups if column in group.runs[0].scores.metric_columns]
        if not usable:
            # Nothing can be ranked; the runs are named all the same.
            found.append(_nothing_ranked(groups, names, column))
            continue
        first = usable[0]
        for number, group in enumerate(usable, start=1):
            if number > 1 and len(group.runs) == 1:
                continue
            others = [other for other in groups if other is not group] if number == 1 else []
            apart = [_apart(first, run, names, column) for other in others for run in other.runs]
            differs = "" if number == 1 else str(why_apart(first.runs[0], group.runs[0], column))
            found += _boards(group, number, differs, apart, column)
    return found


def _boards(
    group: Group, number: int, differs: str, apart: list[Apart], column: str
) -> list[Leaderboard]:
    """The boards of one group, one for each scoring set, with the same rows in the same order."""
    named = run_labels(group.runs)
    rows = [row_of(run, label, column) for run, label in zip(group.runs, named, strict=True)]
    tests = PairedTests(column)
    rows = ranked(_with_fronts(_causal_alike(rows), column), tests)
    tracks = tracks_of(rows, tests)
    scores = group.runs[0].scores
    record = group.runs[0].record
    present = {name.partition("/")[0] for run in group.runs for name in run.scores.metric_columns}
    return [
        Leaderboard(
            subject=record.subject.name,
            corpus=record.corpus.name,
            scoring_set=scoring_set,
            ranked_by=column,
            group=number,
            differs=differs,
            rows=rows,
            apart=apart,
            tracks=tracks,
            n_neurons=len(scores),
            layers=sorted({int(layer) for layer in scores.column("layer")}),
            context_length=record.corpus.context_length,
        )
        for scoring_set in SCORING_SETS
        if scoring_set in present
    ]


def _nothing_ranked(groups: Sequence[Group], names: dict[int, str], column: str) -> Leaderboard:
    record = groups[0].runs[0].record
    reason = f"it has no scores '{column}', by which the table is ranked"
    return Leaderboard(
        subject=record.subject.name,
        corpus=record.corpus.name,
        scoring_set=SCORING_SETS[0],
        ranked_by=column,
        group=1,
        differs="",
        rows=[],
        apart=[
            Apart(label=names[id(run)], run_id=run.record.run_id, reason=reason, run=run)
            for group in groups
            for run in group.runs
        ],
        tracks=[],
        n_neurons=0,
        layers=[],
        context_length=record.corpus.context_length,
    )


def _apart(first: Group, run: Run, names: dict[int, str], column: str) -> Apart:
    reason = why_apart(first.runs[0], run, column)
    assert reason is not None
    return Apart(label=names[id(run)], run_id=run.record.run_id, reason=reason, run=run)


def _causal_alike(rows: Sequence[Row]) -> list[Row]:
    """Rows without the causal scores that were measured by other settings than most rows' were.

    What is unverified has no say in it.
    """
    settings = [_causal_settings(row) for row in rows]
    verified = [row for row in rows if not row.unverified] or rows
    measured = [_causal_settings(row) for row in verified if any(map(_is_causal, row.scores))]
    usual = max(measured, key=lambda setting: (measured.count(setting), setting), default="")
    return [
        row
        if setting == usual
        else dataclasses.replace(
            row,
            scores={name: score for name, score in row.scores.items() if not _is_causal(name)},
        )
        for row, setting in zip(rows, settings, strict=True)
    ]


def _is_causal(column: str) -> bool:
    return column.startswith("causal/")


def _causal_settings(row: Row) -> str:
    chosen = row.run.record.config.get("metrics")
    causal = chosen.get("causal") if isinstance(chosen, dict) else None
    return json.dumps(causal, sort_keys=True)


def _with_fronts(rows: Sequence[Row], column: str) -> list[Row]:
    """Rows with the Pareto fronts that they are on.

    Controls and unverified rows neither are on one nor bound one.
    """
    sign = 1.0 if get(column.rpartition("/")[2]).higher_is_better else -1.0
    fronts: dict[int, set[str]] = {}
    candidates = [row for row in rows if not row.control and not row.unverified]
    quality = [None if row.key.mean is None else sign * row.key.mean for row in candidates]
    for name in (BYTES, SUBJECT_TOKENS, SECONDS):
        on_it = pareto_front(quality, [row.cost(name) for row in candidates])
        for row, found in zip(candidates, on_it, strict=True):
            if found:
                fronts.setdefault(id(row), set()).add(name)
    return [dataclasses.replace(row, fronts=frozenset(fronts.get(id(row), ()))) for row in rows]
