"""`submit`: a finished run becomes a submission to a leaderboard."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.flags import Flags
from benchmark.cli.imports import import_whole
from benchmark.errors import BenchmarkError
from benchmark.visible import one_line

HELP = """\
usage: python -m benchmark submit <run> [--to FOLDER] [--hub REPOSITORY] [...]

Checks a finished run and puts it among the submissions of a leaderboard: its record must fit the
published schema, its files must fit each other, and where the subject is at hand a random part of
its explanations is simulated again and must give the same scores. What does not is refused.

  --to FOLDER         the folder of submissions; its tables are rebuilt
  --hub REPOSITORY    a dataset repository on the Hugging Face hub, such as name/leaderboard; gets
                      the explanations too
  --pull-request      on the hub, open a pull request instead of writing to the main branch
  --neurons N         how many neurons are simulated again, default 16
  --seed N            what draws them, default: another one each time
  --cache-dir FOLDER  where activations are kept, default: the user's cache folder

docs/submitting.md tells what is checked and how exactly.
"""


def command(words: Sequence[str]) -> int:
    """Check a run and put it where it is asked to go."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    flags = Flags("submit")
    flags.add_argument("run", type=Path)
    flags.add_argument("--to", type=Path)
    flags.add_argument("--hub")
    flags.add_argument("--pull-request", action="store_true")
    flags.add_argument("--neurons", type=int, default=16)
    flags.add_argument("--seed", type=int)
    flags.add_argument("--cache-dir")
    given = flags.parse_intermixed_args(list(words))
    if given.to is None and given.hub is None:
        raise BenchmarkError(
            "submit needs a place: --to leaderboards/published, or --hub <name>/<repository>."
        )
    if given.neurons < 1:
        raise BenchmarkError(f"--neurons {given.neurons} is too few; the smallest is 1.")
    from benchmark.results import check_writable

    if given.to is not None:
        check_writable(given.to)
    import_whole("benchmark.subject.assemble", "leaderboards.resimulation")
    from leaderboards.resimulation import resimulate
    from leaderboards.submitting import all_files, place, place_of_run, submission_files
    from leaderboards.validation import validated

    run = validated(given.run)
    record = run.record
    _say(
        f"{record.explainer.name} on {record.subject.name}, {record.corpus.name}: "
        f"{len(run.scores)} neurons; record and files are sound"
    )
    seed = secrets.randbelow(2**31) if given.seed is None else given.seed
    checked = resimulate(run, n_neurons=given.neurons, seed=seed, cache_dir=given.cache_dir)
    if checked.reason:
        _say(f"not simulated again: {checked.reason}")
    else:
        _say(
            f"{len(checked.neurons)} neurons simulated again (seed {seed}): {checked.columns} "
            f"columns of scores agree, largest difference {checked.largest_difference:.2g}"
        )
    files = submission_files(run, checked)
    if given.to is not None:
        from leaderboards.published import rebuild

        target, new = place(run, files, given.to)
        _say(f"submitted: {target}" if new else f"was submitted before: {target}")
        rebuild(given.to)
        _say(f"the tables in {given.to} are rebuilt")
    if given.hub is not None:
        from leaderboards.hub import push

        place_there = place_of_run(record)
        url = push(given.hub, place_there, all_files(run, files), pull_request=given.pull_request)
        _say(f"pushed: {url}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{one_line(text)}\n")
    sys.stdout.flush()
