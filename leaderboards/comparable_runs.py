"""Groups of runs that can stand in one table, and reasons of those that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.analysis.compare import TRUTH_KEYS, declared_by, mismatch
from benchmark.results import Run
from benchmark.results.columns import FIRING_KEYS, describe


@dataclass(frozen=True)
class Group:
    """Runs that can all be compared with each other on the column that ranks."""

    runs: list[Run]


def by_subject_and_corpus(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """Return runs under the names of their subject and corpus, by name."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.record.subject.name, run.record.corpus.name), []).append(run)
    return dict(sorted(found.items()))


def comparable_groups(runs: Sequence[Run], column: str) -> list[Group]:
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
    return [Group(group) for group in sorted(groups, key=_size, reverse=True)]


def reason_to_exclude(first: Run, run: Run, column: str) -> str | None:
    """Return why a run cannot stand in the table that `first` is in, None if it can."""
    then, now = first.record.schema_version, run.record.schema_version
    if then != now:
        return f"its record has schema version {now} instead of {then}"
    there, here = (column in each.scores.metric_columns for each in (first, run))
    if there and not here:
        return f"it has no scores '{column}', by which the table is ranked"
    if here and not there:
        return f"it has scores '{column}', which the others lack"
    ranking = describe(column, declared_by([first, run])).comparable_on
    return mismatch(first, run, tuple(dict.fromkeys([*TRUTH_KEYS, *FIRING_KEYS, *ranking])))


def _size(runs: Sequence[Run]) -> tuple[int, int, int, str, str]:
    verified = [run for run in runs if not run.unverified]
    finished = max((run.record.finished for run in verified), default="")
    return len(verified), len(runs), len(runs[0].scores), finished, runs[0].record.run_id
