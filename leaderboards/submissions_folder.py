"""The folder of submissions and the tables beside them, which are always those of its runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import storage_errors, write_text
from benchmark.files.reading import read_bytes
from benchmark.results import find_runs
from benchmark.results.layout import SUBMISSION
from benchmark.results.submission import read_submission
from leaderboards.agreement import check_date
from leaderboards.formats import render
from leaderboards.page import PARTS, page_of
from leaderboards.result_folders import Results, read_results

TABLES = {
    "README.md": ("md", PARTS),
    "leaderboard.csv": ("csv", ("leaderboard",)),
    "layers.csv": ("csv", ("layers",)),
    "subjects.csv": ("csv", ("subjects",)),
    "leaderboard.json": ("json", PARTS),
}

HEADER = """\
<!-- Made by `python -m benchmark leaderboard leaderboards/published --rebuild`; do not edit. -->
"""


def rebuild(folder: Path) -> list[Path]:
    """Write the tables of a folder's submissions into it; returns what was written.

    Raises:
        BenchmarkError: a submission cannot be read, or the folder cannot be written.
    """
    texts = tables_of(folder)
    with storage_errors(folder):
        for name, text in texts.items():
            write_text(folder / name, text)
    return [folder / name for name in texts]


def stale(folder: Path) -> list[str]:
    """Return the names of tables in a folder that are not what its submissions give.

    Raises:
        BenchmarkError: a submission cannot be read.
    """
    return [
        name
        for name, text in tables_of(folder).items()
        if not (folder / name).is_file() or read_bytes(folder / name) != text.encode()
    ]


def tables_of(folder: Path) -> dict[str, str]:
    """Return every table of a folder's submissions, by the name of its file.

    Raises:
        BenchmarkError: a submission cannot be read.
    """
    results = _submissions(folder)
    found = {}
    for name, (form, parts) in TABLES.items():
        text = render(page_of(results, parts=parts), form)
        found[name] = HEADER + text if form == "md" else text
    return found


def _submissions(folder: Path) -> Results:
    """Return the runs in a folder; none yet is no error, one that cannot be read is."""
    if not any(folder.rglob("run.json")):
        return Results([], [], [])
    results = read_results([folder], submissions=True)
    if results.unread:
        raise BenchmarkError(
            f"the submission in '{results.unread[0].folder}' cannot be read: "
            f"{results.unread[0].reason}"
        )
    return results


def check_submissions(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Check the submissions in a folder as far as their files allow: nothing is simulated again.

    Yields:
        The folder of each, what is wrong with it (empty if nothing is), and why it is unverified.

    Raises:
        BenchmarkError: there is no such folder, or no submission in it.
    """
    from leaderboards.submission import place_of_run, published_record
    from leaderboards.validation import validated

    places = find_runs([folder])
    if not places:
        raise BenchmarkError(f"there is no submission in '{folder}'.")
    for place in places:
        try:
            run = validated(place, published=True)
            if place.relative_to(folder).as_posix() != place_of_run(run.record):
                raise BenchmarkError(
                    f"'{place}' is not where its run belongs: {folder / place_of_run(run.record)}."
                )
            if published_record(run.record) != run.record:
                raise BenchmarkError(
                    f"'{place}': run.json names folders of the machine that the run was made on."
                )
            note = place / SUBMISSION
            check_date(read_submission(note).submitted, f"'{note}': submitted")
        except BenchmarkError as error:
            yield place, str(error), ""
        else:
            yield place, "", run.unverified
