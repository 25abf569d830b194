"""`publish`: finished runs shown by a tracker, later than they ran."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.trusting import take_trust
from benchmark.errors import BenchmarkError, unknown
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.results import Run

HELP = """\
usage: python -m benchmark publish <run> [...] [tracking.key=value ...]

Logs finished runs to Weights & Biases as `run tracking=wandb` does: configuration, scores by layer,
a table of neurons with links, the leaderboard of the runs beside it with its plots, a summary whose
keys docs/wandb.md lists, and the run's files. <run> is a folder under results/, or any folder above
several runs. Without credentials, or with tracking.mode=offline, they are recorded offline, to be
sent by `wandb sync`.

  trust=package.module.Class   draw spectra of explanations of this class, although it is neither
                               built in nor an installed plug-in: its code is run; repeatable

  tracking.project=...  tracking.entity=...  tracking.group=...  tracking.tags=[a,b]
  tracking.mode=auto|online|offline          tracking.dir=...
  "tracking.links='https://example.org/site/neurons/{layer}.{neuron}.html'"
"""


def command(words: Sequence[str]) -> int:
    """Log every run that is named; of several, one that cannot be read is named and left out."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    words, trust = take_trust(words, key=True)
    folders = [word for word in words if not _is_option(word)]
    if not folders:
        raise BenchmarkError("publish takes the folder of a run first; see publish --help.")
    options = _options([word for word in words if _is_option(word)])
    from benchmark.results import find_runs, load_run
    from benchmark.tracking import make_tracker
    from leaderboards.tracked import extras_of

    found = dict.fromkeys(
        below for word in folders for below in (find_runs([word]) or [Path(word)])
    )
    unread = 0
    for folder in found:
        try:
            run = load_run(folder)
        except BenchmarkError as error:
            if len(found) == 1:
                raise
            unread += 1
            sys.stderr.write(f"left out: {one_line(error)}\n")
            continue
        tracker = make_tracker({**options, "group": options.get("group") or _own_group(run)})
        tracker.start(_name(run), run.record.config)
        try:
            messages = tracker.finish(run, lambda done: extras_of(done, trust))
        except BaseException:
            tracker.abandon()
            raise
        sys.stdout.write(f"{_name(run)}\n")
        for message in messages:
            sys.stdout.write(f"  {message}\n")
        sys.stdout.flush()
    if unread == len(found):
        raise BenchmarkError("none of the runs there can be read.")
    return 0


def _name(run: Run) -> str:
    record = run.record
    return one_line(f"{record.explainer.name}-{record.subject.name}-{record.run_id}")


def _own_group(run: Run) -> str | None:
    """The group that the run was in when it ran."""
    tracking = run.record.config.get("tracking")
    group = tracking.get("group") if isinstance(tracking, Mapping) else None
    return str(group) if group is not None else None


def _is_option(word: str) -> bool:
    return "=" in word and not Path(word).exists()


def _options(words: Sequence[str]) -> dict[str, Any]:
    """The configuration of `tracking=wandb` with changes such as `tracking.mode=offline`."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from benchmark.config.catalogue import find
    from benchmark.files.reading import first_line

    config: Any = OmegaConf.create({"tracking": dict(find("tracking", "wandb").config)})
    keys = [f"tracking.{key}" for key in config.tracking if key not in ("name", "kind")]
    for word in words:
        key = word.partition("=")[0]
        if key not in keys or key == "tracking.description":
            raise unknown("key", key, [one for one in keys if one != "tracking.description"])
        try:
            config = OmegaConf.merge(config, OmegaConf.from_dotlist([word]))
        except (OmegaConfBaseException, YAMLError, ValueError) as error:
            raise BenchmarkError(
                f"the value of {word} cannot be read: {first_line(error)}"
            ) from None
    chosen: Any = OmegaConf.to_container(config.tracking)
    return dict(chosen)
