"""`submit`: finished runs become submissions to a leaderboard."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.arguments import Parser, add_seed, add_trust, path_of, whole
from benchmark.cli.imports import import_whole
from benchmark.errors import BenchmarkError
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.results import Run
    from leaderboards.resimulation import Resimulation

ABOUT = """\
Checks finished runs and puts them among the submissions of a leaderboard: a run's record must fit
the published schema and agree with itself, its files must fit each other, and a random part of its
explanations is simulated again and must give the same scores. What does not is refused. Where the
subject, the text or the explainer is not available here, the run is accepted as unverified: it is
marked in every table and has no rank.

docs/submitting.md tells what is checked and how exactly.
"""
EXAMPLES = """\
python -m benchmark submit results/<run> --to leaderboards/published
python -m benchmark submit results/<run> --hub name/leaderboard --pull-request
python -m benchmark submit --check leaderboards/published
"""


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("submit", ABOUT, examples=EXAMPLES)
    made.add_argument("run", nargs="*", help="folders of runs, or ids of runs below results/")
    made.add_argument(
        "--to",
        metavar="FOLDER",
        type=path_of("--to"),
        help="the folder of submissions; its tables are rebuilt",
    )
    made.add_argument(
        "--hub",
        metavar="REPOSITORY",
        help="a dataset repository on the Hugging Face hub, such as name/leaderboard; gets the "
        "explanations too",
    )
    made.add_argument(
        "--pull-request",
        action="store_true",
        help="on the hub, open a pull request instead of writing to the main branch",
    )
    made.add_argument(
        "--neurons",
        metavar="N",
        type=whole("--neurons", 1),
        default=16,
        help="how many neurons are simulated again",
    )
    add_seed(made, "what draws them (default: another one each time)", None)
    made.add_argument("--cache-dir", metavar="FOLDER", help="where activations are kept")
    made.add_argument(
        "--check",
        metavar="FOLDER",
        type=path_of("--check"),
        help="instead, check the submissions in a folder as far as their files allow",
    )
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Check runs and put them where they are asked to go."""
    given = parser().read(words)
    trust = given.trust
    if given.check is not None:
        if given.run or given.to is not None or given.hub is not None:
            raise BenchmarkError("submit --check takes a folder of submissions and nothing else.")
        return _check(given.check)
    if not given.run:
        raise BenchmarkError("submit takes the folder of at least one run; see submit --help.")
    if given.to is None and given.hub is None:
        raise BenchmarkError(
            "submit needs a place: --to leaderboards/published, or --hub <name>/<repository>."
        )
    from benchmark.results import check_writable

    if given.to is not None:
        check_writable(given.to)
    import_whole("benchmark.subject.build", "leaderboards.resimulation")
    from benchmark.cli.find import find_places
    from leaderboards.resimulation import resimulate
    from leaderboards.submission import all_files, place, place_of_run, submission_files
    from leaderboards.validation import validated

    # All are checked before any is put anywhere; subject and text are loaded once for all of them.
    checked: list[tuple[Run, Resimulation]] = []
    for folder in _runs_in(map(Path, find_places(given.run))):
        run = validated(folder)
        record = run.record
        _say(
            f"{record.explainer.name} on {record.subject.name}, {record.corpus.name}: "
            f"{len(run.scores)} neurons; record and files are sound"
        )
        seed = secrets.randbelow(2**31) if given.seed is None else given.seed
        found = resimulate(
            run, n_neurons=given.neurons, seed=seed, cache_dir=given.cache_dir, trust=trust
        )
        if found.reason:
            _say(f"unverified: not simulated again: {found.reason}")
        else:
            _say(
                f"{len(found.neurons)} neurons simulated again (seed {seed}): {found.columns} "
                f"columns of scores agree, largest difference {found.largest_difference:.2g}"
            )
        checked.append((run, found))
    for run, found in checked:
        files = submission_files(run, found)
        if given.to is not None:
            target, new = place(run, files, given.to)
            _say(f"submitted: {target}" if new else f"was submitted before: {target}")
        if given.hub is not None:
            from leaderboards.hub import push

            place_there = place_of_run(run.record)
            several = all_files(run, files)
            url = push(given.hub, place_there, several, pull_request=given.pull_request)
            _say(f"pushed: {url}")
    if given.to is not None:
        from leaderboards.submissions_folder import rebuild

        rebuild(given.to)
        _say(f"the tables in {given.to} are rebuilt")
    return 0


def _runs_in(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders of runs: each folder that is one or holds none, else the runs below it."""
    from benchmark.results import find_runs
    from benchmark.results.layout import RECORD

    for folder in folders:
        is_one = not folder.is_dir() or (folder / RECORD).exists()
        yield from [folder] if is_one else find_runs([folder]) or [folder]


def _check(folder: Path) -> int:
    """Check the submissions in a folder without their explanations; returns the exit status."""
    from leaderboards.submissions_folder import check_submissions

    wrong = 0
    for place, fault, unverified in check_submissions(folder):
        if fault:
            wrong += 1
            sys.stderr.write(f"error: {fault}\n")
        else:
            _say(f"{place}: {f'unverified: {unverified}' if unverified else 'sound'}")
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{one_line(text)}\n")
    sys.stdout.flush()
