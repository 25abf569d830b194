"""The folder of submissions and the tables beside them, which are always those of its runs."""

from __future__ import annotations

from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.reading import read_bytes
from benchmark.results.atomic import storage_errors, write_text
from leaderboards.formats import render
from leaderboards.page import PARTS, page_of
from leaderboards.reading import Results, read_results

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
    """The names of tables in a folder that are not what its submissions give.

    Raises:
        BenchmarkError: a submission cannot be read.
    """
    return [
        name
        for name, text in tables_of(folder).items()
        if not (folder / name).is_file() or read_bytes(folder / name) != text.encode()
    ]


def tables_of(folder: Path) -> dict[str, str]:
    """Every table of a folder's submissions, by the name of its file.

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
    """The runs in a folder; none yet is no error, one that cannot be read is."""
    if not any(folder.rglob("run.json")):
        return Results([], [], [])
    results = read_results([folder])
    if results.unread:
        raise BenchmarkError(
            f"the submission in '{results.unread[0].folder}' cannot be read: "
            f"{results.unread[0].reason}"
        )
    return results
