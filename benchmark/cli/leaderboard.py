"""`leaderboard`: tables of all comparable runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.arguments import (
    Parser,
    add_format,
    add_output,
    add_rank_by,
    add_results,
    metric_list,
    take_metrics,
)
from benchmark.errors import BenchmarkError

ABOUT = """\
Ranks all comparable runs below some folders by their mean correlation on uniformly drawn text: a
table for each subject, corpus and scoring set, by layer, tracks by evidence and by size, the Pareto
fronts, and a table across subjects. The track `readable` has the runs in which the text of every
explanation is the whole explanation, within 300, 600, 1,200 and any number of characters. Runs that
cannot be compared with the others are listed with the reason.
"""
EXAMPLES = """\
python -m benchmark leaderboard results --table layers
python -m benchmark leaderboard results --metrics precision,recall --rank-by auprc
python -m benchmark leaderboard leaderboards/published --rebuild   # what this project publishes
"""


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("leaderboard", ABOUT, examples=EXAMPLES, overrides=True)
    add_results(made)
    add_format(made, ("md", "csv", "json", "html", "latex"))
    add_output(made, None, "write to a file instead of printing")
    made.add_argument(
        "--table",
        metavar="NAME,...",
        type=lambda value: value.split(","),
        help="some of leaderboard, layers, fronts, tracks, subjects (default: all of them, in a "
        "CSV file leaderboard)",
    )
    made.add_argument(
        "--metrics",
        metavar="NAME,...",
        type=metric_list,
        default=[],
        help="show further metrics; one that fails the sanity tests carries a mark",
    )
    add_rank_by(made)
    made.add_argument(
        "--rebuild",
        action="store_true",
        help="write the tables of a folder of submissions into it",
    )
    made.add_argument(
        "--check",
        action="store_true",
        help="compare the tables in a folder of submissions with what its runs give",
    )
    return made


def command(words: Sequence[str]) -> int:
    """Print, write or check the tables."""
    given = parser().read(words)
    places = take_metrics(given, given.results) or ["results"]
    if given.rebuild or given.check:
        return _published(places, check=given.check)
    from benchmark.cli.find import find_places
    from leaderboards.formats import render
    from leaderboards.page import PARTS, page_of
    from leaderboards.result_folders import name_unread, read_results

    results = read_results(find_places(places))
    page = page_of(
        results,
        rank_by=given.rank_by,
        metrics=given.metrics,
        parts=given.table or PARTS,
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
    from leaderboards.submissions_folder import rebuild, stale

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
