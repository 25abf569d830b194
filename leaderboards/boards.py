"""Leaderboards of runs: groups that can stand in one table, and their Pareto fronts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np

from benchmark.analysis.compare import TRUTH_KEYS, declared_by, mismatch, ranking_column
from benchmark.analysis.labels import run_labels
from benchmark.column import SCORE
from benchmark.config.run_config import setting
from benchmark.results import Run
from benchmark.results.columns import FIRING_KEYS, SCORING_SETS, SMALL_HEADLINE, describe, on_a_set
from leaderboards.model import FRONTS, Excluded, Leaderboard, Row
from leaderboards.ranking import PairedTests, ranked, tracks_of
from leaderboards.rows import row_of


def build(runs: Sequence[Run], rank_by: str | None = None) -> list[Leaderboard]:
    """Return one leaderboard for each subject, corpus and scoring set, by the names of these.

    The runs of a subject and a corpus that can be compared (same neurons, same text, same schema)
    share a board; the largest group of them comes first and names all the others as kept apart.
    A further group of at least two runs has boards of its own. Unverified runs stand below the
    others of their board, without a rank, and do not count for the size of a group.

    Args:
        runs: finished runs, in any order; the order does not matter.
        rank_by: the metric on the `uniform` set that orders the rows; None takes Pearson, on
            `uniform_small` where a run of the subject and corpus has scores of that set alone.

    Raises:
        BenchmarkError: `rank_by` is not known, fails the sanity tests or is of another scoring set.
    """
    chosen = ranking_column(rank_by, declared=declared_by(runs))
    found: list[Leaderboard] = []
    ordered = sorted(runs, key=lambda run: (run.record.finished, run.record.run_id))
    for members in by_subject_and_corpus(ordered).values():
        names = dict(zip(map(id, members), run_labels(members), strict=True))
        small = rank_by is None and any(
            run.scores.small_alone and not run.unverified for run in members
        )
        column = SMALL_HEADLINE if small else chosen
        groups = comparable_groups(members, column)
        usable = [group for group in groups if column in group[0].scores.metric_columns]
        if not usable:
            # Nothing can be ranked; the runs are named all the same.
            found.append(_nothing_ranked(groups, names, column))
            continue
        first = usable[0]
        for number, group in enumerate(usable, start=1):
            if number > 1 and len(group) == 1:
                continue
            others = [other for other in groups if other is not group] if number == 1 else []
            excluded = [
                _excluded(run, names, str(reason_to_exclude(first[0], run, column)))
                for other in others
                for run in other
            ]
            differs = "" if number == 1 else str(reason_to_exclude(first[0], group[0], column))
            found += _boards(group, number, differs, excluded, column)
    return found


def _boards(
    group: Sequence[Run], number: int, differs: str, excluded: list[Excluded], column: str
) -> list[Leaderboard]:
    """Return the boards of one group, one for each scoring set, with the same rows in one order."""
    named = run_labels(group)
    rows = [row_of(run, label, column) for run, label in zip(group, named, strict=True)]
    tests = PairedTests(column)
    rows = ranked(_with_fronts(_measured_alike(rows), column), tests)
    tracks = tracks_of(rows, tests)
    scores, record = group[0].scores, group[0].record
    present = {one for run in group for one in run.scores.scoring_sets}
    return [
        Leaderboard(
            subject=record.subject.name,
            corpus=record.corpus.name,
            scoring_set=scoring_set,
            ranked_by=column,
            group=number,
            differs=differs,
            rows=rows,
            excluded=excluded,
            tracks=tracks,
            n_neurons=len(scores),
            layers=sorted({int(layer) for layer in scores.column("layer")}),
            context_length=record.corpus.context_length,
        )
        for scoring_set in SCORING_SETS
        if scoring_set in present
    ]


def _without(run: Run, column: str) -> str:
    """Return why a run without scores of a column stands in no table."""
    if run.record.imported is not None:
        return (
            "it was imported: nothing is ranked by what was recorded on chosen sequences; show and "
            "compare read it"
        )
    return f"it has no scores '{column}', by which the table is ranked"


def _nothing_ranked(
    groups: Sequence[Sequence[Run]], names: dict[int, str], column: str
) -> Leaderboard:
    record = groups[0][0].record
    return Leaderboard(
        subject=record.subject.name,
        corpus=record.corpus.name,
        scoring_set=SCORING_SETS[0],
        ranked_by=column,
        group=1,
        differs="",
        rows=[],
        excluded=[
            _excluded(run, names, _without(run, column)) for group in groups for run in group
        ],
        tracks=[],
        n_neurons=0,
        layers=[],
        context_length=record.corpus.context_length,
    )


def _excluded(run: Run, names: dict[int, str], reason: str) -> Excluded:
    return Excluded(label=names[id(run)], run_id=run.record.run_id, reason=reason, run=run)


def _measured_alike(rows: Sequence[Row]) -> list[Row]:
    """Return rows without scores that were measured by other settings than those of most rows.

    Scores on scoring sets stay. What is unverified has no say in what most rows' settings are.
    """
    own = [_settings(row) for row in rows]
    voters = [_settings(row) for row in rows if not row.unverified] or own
    usual: dict[str, str] = {}
    for scorer in {scorer for one in voters for scorer in one}:
        votes = [one[scorer] for one in voters if scorer in one]
        usual[scorer] = max(votes, key=lambda vote: (votes.count(vote), vote))
    found = []
    for row, one in zip(rows, own, strict=True):
        odd = {scorer for scorer, given in one.items() if given != usual.get(scorer)}
        lost = {
            name
            for column in row.run.scores.described
            if column.scorer in odd
            for name in (column.name, column.summary_name)
        }
        kept = {name: score for name, score in row.scores.items() if name not in lost}
        found.append(dataclasses.replace(row, scores=kept) if lost else row)
    return found


def _settings(row: Row) -> dict[str, str]:
    """Return the settings of each scorer whose scores are on no scoring set, as text."""
    config = row.run.record.config
    found: dict[str, list[str]] = {}
    for column in row.run.scores.described:
        if column.kind == SCORE and not on_a_set(column):
            found.setdefault(column.scorer, []).extend(column.comparable_on)
    return {
        scorer: json.dumps([setting(config, key) for key in dict.fromkeys(keys)], sort_keys=True)
        for scorer, keys in found.items()
    }


def _with_fronts(rows: Sequence[Row], column: str) -> list[Row]:
    """Return rows with the Pareto fronts that they are on.

    Controls and unverified rows neither are on one nor bound one.
    """
    declared = declared_by(row.run for row in rows)
    sign = 1.0 if describe(column, declared).higher_is_better else -1.0
    fronts: dict[int, set[str]] = {}
    candidates = [row for row in rows if not row.control and not row.unverified]
    quality = [None if row.key.mean is None else sign * row.key.mean for row in candidates]
    for name in FRONTS:
        on_it = pareto_front(quality, [row.cost(name) for row in candidates])
        for row, found in zip(candidates, on_it, strict=True):
            if found:
                fronts.setdefault(id(row), set()).add(name)
    return [dataclasses.replace(row, fronts=frozenset(fronts.get(id(row), ()))) for row in rows]


def pareto_front(quality: Sequence[float | None], cost: Sequence[float | None]) -> list[bool]:
    """Return which points no other beats: as good at no higher cost, and better in one.

    Args:
        quality: larger is better; a point without quality is on no front.
        cost: smaller is better; a point without cost is on no front.
    """
    good = np.array([np.nan if value is None else value for value in quality], dtype=np.float64)
    dear = np.array([np.nan if value is None else value for value in cost], dtype=np.float64)
    known = ~(np.isnan(good) | np.isnan(dear))
    no_worse = (good[:, None] >= good) & (dear[:, None] <= dear)
    better = (good[:, None] > good) | (dear[:, None] < dear)
    beaten = (no_worse & better & known[:, None]).any(axis=0)
    return [bool(value) for value in known & ~beaten]


def by_subject_and_corpus(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """Return runs under the names of their subject and corpus, by name."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.record.subject.name, run.record.corpus.name), []).append(run)
    return dict(sorted(found.items()))


def comparable_groups(runs: Sequence[Run], column: str) -> list[list[Run]]:
    """Return runs in groups of comparable ones, the one with most verified runs first.

    Of groups with equally many runs the one with more neurons is first, then the one that was
    finished last.
    """
    groups: list[list[Run]] = []
    for run in runs:
        for group in groups:
            if reason_to_exclude(group[0], run, column) is None:
                group.append(run)
                break
        else:
            groups.append([run])
    return sorted(groups, key=_size, reverse=True)


def reason_to_exclude(first: Run, run: Run, column: str) -> str | None:
    """Return why a run cannot stand in the table that `first` is in, None if it can."""
    then, now = first.record.schema_version, run.record.schema_version
    if then != now:
        return f"its record has schema version {now} instead of {then}"
    there, here = (column in each.scores.metric_columns for each in (first, run))
    if there and not here:
        old = column == SMALL_HEADLINE and run.record.imported is None
        again = "; score it again" if old else ""
        return f"{_without(run, column)}{again}"
    if here and not there:
        return f"it has scores '{column}', which the others lack"
    ranking = describe(column, declared_by([first, run])).comparable_on
    return mismatch(first, run, tuple(dict.fromkeys([*TRUTH_KEYS, *FIRING_KEYS, *ranking])))


def _size(runs: Sequence[Run]) -> tuple[int, int, int, str, str]:
    verified = [run for run in runs if not run.unverified]
    finished = max((run.record.finished for run in verified), default="")
    return len(verified), len(runs), len(runs[0].scores), finished, runs[0].record.run_id
