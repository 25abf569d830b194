"""`submit`: finished runs become submissions to a leaderboard."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.flags import Flags
from benchmark.cli.imports import import_whole
from benchmark.cli.trusting import take_trust
from benchmark.errors import BenchmarkError
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.results import Run
    from leaderboards.resimulation import Resimulation

HELP = """\
usage: python -m benchmark submit <run> [<run> ...] [--to FOLDER] [--hub REPOSITORY] [...]
       python -m benchmark submit --check FOLDER

Checks finished runs and puts them among the submissions of a leaderboard: a run's record must fit
the published schema and agree with itself, its files must fit each other, and a random part of its
explanations is simulated again and must give the same scores. What does not is refused. Where the
subject, the text or the explainer is not available here, the run is accepted as unverified: it is
marked in every table and has no rank.

  --to FOLDER         the folder of submissions; its tables are rebuilt
  --hub REPOSITORY    a dataset repository on the Hugging Face hub, such as name/leaderboard; gets
                      the explanations too
  --pull-request      on the hub, open a pull request instead of writing to the main branch
  --neurons N         how many neurons are simulated again, default 16
  --seed N            what draws them, default: another one each time
  --cache-dir FOLDER  where activations are kept, default: the user's cache folder
  --trust CLASS       simulate explanations of this class, package.module.Class, although it is
                      neither built in nor an installed plug-in: its code is run; repeatable
  --check FOLDER      instead, check the submissions in a folder as far as their files allow

docs/submitting.md tells what is checked and how exactly.
"""


def command(words: Sequence[str]) -> int:
    """Check runs and put them where they are asked to go."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    words, trust = take_trust(words)
    flags = Flags("submit")
    flags.add_argument("run", type=Path, nargs="*")
    flags.add_argument("--to", type=Path)
    flags.add_argument("--hub")
    flags.add_argument("--pull-request", action="store_true")
    flags.add_argument("--neurons", type=int, default=16)
    flags.add_argument("--seed", type=int)
    flags.add_argument("--cache-dir")
    flags.add_argument("--check", type=Path)
    given = flags.parse_intermixed_args(list(words))
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
    if given.neurons < 1:
        raise BenchmarkError(f"--neurons {given.neurons} is too few; the smallest is 1.")
    from benchmark.results import check_writable

    if given.to is not None:
        check_writable(given.to)
    import_whole("benchmark.subject.build", "leaderboards.resimulation")
    from leaderboards.resimulation import resimulate
    from leaderboards.submitting import all_files, place, place_of_run, submission_files
    from leaderboards.validation import validated

    # All are checked before any is put anywhere; subject and text are loaded once for all of them.
    checked: list[tuple[Run, Resimulation]] = []
    for folder in given.run:
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
        from leaderboards.published import rebuild

        rebuild(given.to)
        _say(f"the tables in {given.to} are rebuilt")
    return 0


def _check(folder: Path) -> int:
    """Check the submissions in a folder without their explanations; returns the exit status."""
    from leaderboards.published import check_submissions

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
