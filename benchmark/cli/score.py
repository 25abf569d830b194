"""`score`: the saved explanations of a run, simulated and scored again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.imports import import_whole
from benchmark.cli.trusting import take_trust
from benchmark.config.catalogue import find
from benchmark.errors import BenchmarkError, described
from benchmark.plugins.trusted import targets_of

if TYPE_CHECKING:
    from benchmark.config.run_config import RunConfig
    from benchmark.results import Run

HELP = """\
usage: python -m benchmark score <run> [key=value ...]

Simulates the saved explanations of a finished run on the held-out text again and scores
them, without explaining; the new scores take the place of the old ones. What can change:
metrics=<name>, scorer=<name>, calibration=none|linear|isotonic, bootstrap.resamples=...,
device=..., batch_tokens=..., cache_dir=...

metrics=causal adds what the explanations carry of what their neurons do to the output.
Files that are not those that the run wrote are refused.

  trust=package.module.Class   read explanations of this class, although it is neither built in
                               nor an installed plug-in: its code is imported and run; repeatable
"""

CHANGEABLE = (
    "metrics",
    "scorer",
    "scorers",
    "calibration",
    "bootstrap",
    "device",
    "batch_tokens",
    "cache_dir",
)


def command(words: Sequence[str]) -> int:
    """Score a run again and say how far the scores moved."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    words, trust = take_trust(words, key=True)
    if not words or "=" in words[0]:
        raise BenchmarkError("score takes the folder of a run first; see score --help.")
    import_whole("benchmark.evaluation.rescore", "benchmark.subject.build")
    from benchmark.cli.finished import print_table
    from benchmark.evaluation.rescore import rescore, run_to_score

    run = run_to_score(Path(words[0]))
    config = config_of(run, words[1:])
    if any(word.startswith("scorer") for word in words[1:]):
        trust = (*trust, *targets_of(config.scorers))  # the user's own choice
    result = rescore(run, config, trust)
    sys.stdout.write(
        f"{result.compared} columns of scores compared with those saved before: "
        f"largest difference {result.largest_difference:.2g}\n"
    )
    print_table([result.run])
    return 0


def config_of(run: Run, changes: Sequence[str]) -> RunConfig:
    """The configuration of a run with changes such as `metrics=standard` or `device=cpu`.

    Raises:
        BenchmarkError: a change would change what is scored, or the run's file is of an
            incompatible version.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from benchmark.config.literal import literal
    from benchmark.config.run_config import recorded_config
    from benchmark.evaluation.reopen import checked_config

    composed: Any = recorded_config(literal(run.record.config))
    for change in changes:
        key, separator, value = change.partition("=")
        if not separator or key.split(".")[0] not in CHANGEABLE:
            raise BenchmarkError(
                f"'{change}' cannot be changed when scoring again; what can: "
                f"{', '.join(f'{name}=...' for name in CHANGEABLE)}"
            )
        if key == "scorer":
            composed.scorers = {}
        if key == "metrics":
            composed.metrics = OmegaConf.create(dict(find("metrics", value).config))
            continue
        try:
            composed = OmegaConf.merge(composed, OmegaConf.from_dotlist([change]))
        except (OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
            raise BenchmarkError(
                f"the value of {change[:200]} cannot be read: {described(error)[:200]}"
            ) from None
    return checked_config(run, composed)
