"""`publish`: finished runs shown by a tracker, later than they ran."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.cli.arguments import Parser, add_run, add_trust
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.results import Run

ABOUT = """\
Logs finished runs to Weights & Biases as `run tracking=wandb` does: configuration, scores by layer,
a table of neurons with links, the leaderboard of the runs beside it with its plots, a summary whose
keys docs/wandb.md lists, and the run's files. Without credentials, or with --mode offline, they are
recorded offline, to be sent by `wandb sync`.
"""
EXAMPLES = """\
python -m benchmark publish results --mode offline
python -m benchmark publish <run> --project neurons --tags paper,n2g
python -m benchmark publish <run> --links 'https://example.org/site/neurons/{layer}.{neuron}.html'
"""
OPTIONS = {
    "project": "the project",
    "entity": "the user or the team",
    "group": "the group of runs (default: the one of the run)",
    "mode": "auto, online or offline",
    "dir": "holds the folder wandb/ (default: the current folder)",
    "links": "address of a neuron's page with {subject}, {layer} and {neuron}",
}
OLD = {f"tracking.{name}": f"--{name} ..." for name in (*OPTIONS, "tags")}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser(
        "publish",
        ABOUT,
        takes="the folder of a run first",
        examples=EXAMPLES,
        old={**OLD, "trust": "--trust CLASS"},
    )
    add_run(made, several=True)
    for name, text in OPTIONS.items():
        made.add_argument(f"--{name}", metavar="TEXT", help=text)
    made.add_argument(
        "--tags", metavar="TAG,...", type=lambda value: value.split(","), help="tags of the runs"
    )
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Log every run that is named; of several, one that cannot be read is named and left out."""
    given = parser().read(words)
    options = _options(given)
    from benchmark.cli.find import find_folders, load_runs
    from benchmark.results import load_run
    from benchmark.tracking import make_tracker
    from leaderboards.tracker_extras import extras_of

    folders = list(dict.fromkeys(folder for word in given.run for folder in find_folders(word)))
    for run in [load_run(folders[0])] if len(folders) == 1 else load_runs(folders):
        tracker = make_tracker({**options, "group": options.get("group") or _own_group(run)})
        tracker.start(_name(run), run.record.config)
        try:
            messages = tracker.finish(run, lambda done: extras_of(done, given.trust))
        except BaseException:
            tracker.abandon()
            raise
        sys.stdout.write(f"{_name(run)}\n")
        for message in messages:
            sys.stdout.write(f"  {message}\n")
        sys.stdout.flush()
    return 0


def _name(run: Run) -> str:
    record = run.record
    return one_line(f"{record.explainer.name}-{record.subject.name}-{record.run_id}")


def _own_group(run: Run) -> str | None:
    """Return the group that the run was in when it ran."""
    tracking = run.record.config.get("tracking")
    group = tracking.get("group") if isinstance(tracking, Mapping) else None
    return str(group) if group is not None else None


def _options(given: Namespace) -> dict[str, Any]:
    """Return the configuration of `tracking=wandb` with the options that are given."""
    from benchmark.config.catalogue import find

    chosen = {name: getattr(given, name) for name in (*OPTIONS, "tags")}
    changes = {name: value for name, value in chosen.items() if value is not None}
    return {**find("tracking", "wandb").config, **changes}
