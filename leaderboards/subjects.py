"""One row an explainer over several subjects and corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.analysis.compare import place_by_mean
from benchmark.analysis.labels import identity, labels
from benchmark.results.columns import HEADLINE, SMALL_HEADLINE, UNIFORM
from leaderboards.model import Leaderboard, Row


@dataclass(frozen=True, kw_only=True)
class AverageRow:
    """One explainer, with the same options everywhere.

    Attributes:
        rank: its place among those that have a mean and are no controls; None without.
        label: as in the tables.
        control: whether it is a control.
        evidence: what it saw.
        parts: its mean on each subject and corpus, None where it was not run.
        mean: mean of `parts`; None when any of them is missing.
    """

    rank: int | None
    label: str
    control: bool
    evidence: str
    parts: list[float | None]
    mean: float | None


@dataclass(frozen=True, kw_only=True)
class SubjectAverage:
    """A table across subjects: `cells` are (subject, corpus), one for each of a row's parts."""

    ranked_by: str
    cells: list[tuple[str, str]]
    rows: list[AverageRow]


def average_over_subjects(boards: Sequence[Leaderboard]) -> SubjectAverage:
    """Return the means of every explainer over subjects and corpora, best first.

    Of each subject and corpus the first group of comparable runs counts. Several runs of one
    explainer with the same options count as their mean. Rows without a mean stand last. What is
    unverified counts nowhere.
    """
    main = [board for board in boards if board.group == 1 and board.scoring_set == UNIFORM]
    # One column for all: where one table is in the order of the small set, its scores count.
    by = [board.ranked_by for board in main]
    ranked_by = SMALL_HEADLINE if SMALL_HEADLINE in by else by[0] if by else HEADLINE
    subjects = [(board.subject, board.corpus) for board in main]
    found: dict[str, list[list[Row]]] = {}
    for place, board in enumerate(main):
        for row in board.rows:
            if row.unverified:
                continue
            key = identity(row.run.record)
            found.setdefault(key, [[] for _ in main])[place].append(row)
    first = [next(row for rows in cells for row in rows) for cells in found.values()]
    named = labels([row.run.record for row in first])
    rows = []
    for row, label, cells in zip(first, named, found.values(), strict=True):
        parts = [_mean([_part(one, ranked_by) for one in rows]) for rows in cells]
        rows.append(
            AverageRow(
                rank=None,
                label=label,
                control=row.control,
                evidence=row.evidence,
                parts=parts,
                mean=_mean(parts),
            )
        )
    higher = not main or main[0].about(ranked_by).higher_is_better is not False
    return SubjectAverage(
        ranked_by=ranked_by, cells=subjects, rows=_ranked(rows, 1 if higher else -1)
    )


def _part(row: Row, column: str) -> float | None:
    found = row.score(column)
    return None if found is None else found.mean


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, None when any part is missing."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _ranked(rows: Sequence[AverageRow], sign: int) -> list[AverageRow]:
    ordered = sorted(rows, key=lambda row: (place_by_mean(row.mean, sign), row.label))
    found, rank = [], 0
    for row in ordered:
        counts = not row.control and row.mean is not None
        rank += counts
        found.append(replace(row, rank=rank if counts else None))
    return found
