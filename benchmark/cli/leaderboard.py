"""`leaderboard`: tables of all comparable runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.flags import Flags
from benchmark.errors import BenchmarkError

HELP = """\
usage: python -m benchmark leaderboard [results ...] [--format md|csv|json|html|latex] [...]

Ranks all comparable runs below some folders (default: results) by their mean correlation on
uniformly drawn text: a table for each subject, corpus and scoring set, by layer, by evidence and
size, the Pareto fronts, and a table across subjects. Runs that cannot be compared with the others
are kept apart and named with the reason.

  --format md             md, csv, json, html or latex
  -o, --output FILE       write to a file instead of printing
  --table NAME            one of leaderboard, layers, fronts, tracks, subjects; default: all of
                          them, in a CSV file leaderboard
  --metrics NAME,...      show further metrics; one that fails the sanity tests carries a mark
  --rank-by NAME          the metric on uniform text that ranks, default pearson
  --rebuild               write the tables of a folder of submissions into it
  --check                 compare the tables in a folder of submissions with what its runs give

The tables that this project publishes are rebuilt by
  python -m benchmark leaderboard leaderboards/published --rebuild
"""


def command(words: Sequence[str]) -> int:
    """Print, write or check the tables."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    flags = Flags("leaderboard")
    flags.add_argument("results", nargs="*", default=["results"])
    flags.add_argument("--format", default="md")
    flags.add_argument("-o", "--output", type=Path)
    flags.add_argument("--table")
    flags.add_argument("--metrics", default="")
    flags.add_argument("--rank-by")
    flags.add_argument("--rebuild", action="store_true")
    flags.add_argument("--check", action="store_true")
    given = flags.parse_intermixed_args(list(words))
    if given.rebuild or given.check:
        return _published(given.results, check=given.check)
    from leaderboards.formats import render
    from leaderboards.page import PARTS, page_of
    from leaderboards.reading import name_unread, read_results

    results = read_results(given.results)
    page = page_of(
        results,
        rank_by=given.rank_by,
        metrics=[name.strip() for name in given.metrics.split(",") if name.strip()],
        parts=given.table.split(",") if given.table else PARTS,
    )
    text = render(page, given.format)
    name_unread(results)
    if given.output is None:
        sys.stdout.write(text)
        return 0
    from benchmark.files.atomic import storage_errors, write_text

    with storage_errors(given.output.parent):
        given.output.parent.mkdir(parents=True, exist_ok=True)
        write_text(given.output, text)
    sys.stdout.write(f"written: {given.output}\n")
    return 0


def _published(folders: Sequence[str], *, check: bool) -> int:
    from leaderboards.published import rebuild, stale

    if len(folders) != 1 or not Path(folders[0]).is_dir():
        raise BenchmarkError(
            "--rebuild and --check take one folder of submissions, such as leaderboards/published."
        )
    folder = Path(folders[0])
    if not check:
        for path in rebuild(folder):
            sys.stdout.write(f"written: {path}\n")
        return 0
    found = stale(folder)
    if found:
        raise BenchmarkError(
            f"{', '.join(found)} in '{folder}' is not what the runs there give; rebuild it: "
            f"python -m benchmark leaderboard {folder} --rebuild"
        )
    sys.stdout.write(f"the tables in {folder} are those of its runs.\n")
    return 0
