"""Finished runs from the disk; one that cannot be read is named and stops no other."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.results import Run, find_runs, load_run
from benchmark.results.layout import SCORES, SUBMISSION
from benchmark.token_text import one_line


@dataclass(frozen=True)
class Unread:
    """A folder with a `run.json` that this version cannot read, and why."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class Results:
    """What was found.

    Attributes:
        runs: each run once, by folder.
        unread: what looks like a run and cannot be read.
        repeated: folders of runs that are copies of others.
    """

    runs: list[Run]
    unread: list[Unread]
    repeated: list[Path]


def read_results(folders: Iterable[Path | str], *, submissions: bool = False) -> Results:
    """Read every finished run at or below some folders.

    Args:
        folders: folders of runs.
        submissions: whether these are folders of submissions, so that a run without
            `submission.json` is nobody's own.

    Raises:
        BenchmarkError: a folder does not exist, or there is no finished run in any of them.
    """
    places = [Path(folder) for folder in folders]
    runs: list[Run] = []
    unread: list[Unread] = []
    for folder in find_runs(places):
        try:
            run = load_run(folder)
            if submissions and not (folder / SUBMISSION).exists():
                run = dataclasses.replace(run, unverified=f"it has no {SUBMISSION}")
            runs.append(run)
        except BenchmarkError as error:
            unread.append(Unread(folder, str(error)))
    if not runs and not unread:
        named = ", ".join(f"'{place}'" for place in places)
        raise BenchmarkError(
            f"there is no finished run in {named}; `python -m benchmark run` makes one."
        )
    kept = _each_once(runs)
    same = {id(run) for run in kept}
    return Results(kept, unread, [run.folder for run in runs if id(run) not in same])


def name_unread(results: Results) -> None:
    """Say on stderr which runs could not be read, and why.

    Raises:
        BenchmarkError: none could be read.
    """
    for unread in results.unread:
        sys.stderr.write(f"left out: {one_line(unread.reason)}\n")
    if not results.runs:
        raise BenchmarkError("none of the runs there can be read.")


def _each_once(runs: Sequence[Run]) -> list[Run]:
    """Drop runs whose explainer, id and table of scores are those of an earlier one."""
    found: dict[tuple[str, str, str], Run] = {}
    for run in runs:
        record = run.record
        file = record.files.get(SCORES)
        digest = file.sha256 if file is not None else str(run.folder.resolve())
        found.setdefault((record.explainer.name, record.run_id, digest), run)
    return list(found.values())
