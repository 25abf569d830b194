"""`score`: the saved explanations of a run, simulated and scored again."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.arguments import Parser, add_changes, add_run, add_trust, add_wide
from benchmark.cli.imports import import_whole
from benchmark.config.catalogue import metrics_config
from benchmark.errors import BenchmarkError, described
from benchmark.plugins.trusted import targets_of

if TYPE_CHECKING:
    from benchmark.config.run_config import RunConfig
    from benchmark.results import Run

ABOUT = """\
Simulates the saved explanations of a finished run on the held-out text again and scores them,
without explaining; the new scores replace the old ones. Files that are not those that the run
wrote are refused.
"""
EXAMPLES = """\
python -m benchmark score results/<run> metrics=[pearson,f1]
python -m benchmark score results/<run> metrics=causal        # adds causal scores
python -m benchmark score results/<run> calibration=isotonic
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

OLD = {"trust": "--trust CLASS"}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser(
        "score",
        ABOUT,
        takes="the folder of a run first",
        examples=EXAMPLES,
        old=OLD,
        overrides=True,
    )
    add_run(made)
    keys = ", ".join(f"{key}=..." for key in CHANGEABLE)
    add_changes(made, f"keys of the configuration: {keys}")
    add_wide(made)
    add_trust(made)
    return made


def command(words: Sequence[str]) -> int:
    """Score a run again and say how far the scores moved."""
    given = parser().read(words)
    if "=" in given.run and not Path(given.run).exists():
        raise BenchmarkError("score takes the folder of a run first; see score --help.")
    from benchmark.cli.find import find_folder

    folder = find_folder(given.run)
    import_whole("benchmark.evaluation.rescore", "benchmark.subject.build")
    from benchmark.cli.finished import print_table
    from benchmark.evaluation.rescore import rescore, run_to_score

    run = run_to_score(folder)
    config, trust = config_of(run, given.change), given.trust
    if any(word.startswith("scorer") for word in given.change):
        trust = (*trust, *targets_of(config.scorers))  # the user's own choice
    result = rescore(run, config, trust)
    sys.stdout.write(
        f"{result.compared} columns of scores compared with those saved before: "
        f"largest difference {result.largest_difference:.2g}\n"
    )
    print_table([result.run])
    return 0


def config_of(
    run: Run,
    changes: Sequence[str],
    changeable: Sequence[str] = CHANGEABLE,
    keys: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Return the configuration of a run with changes such as `metrics=standard` or `device=cpu`.

    Args:
        run: the run.
        changes: overrides.
        changeable: the keys that they may change.
        keys: of the configuration, instead of those of the run.

    Raises:
        BenchmarkError: a change would change what is scored, or the run's file is of an
            incompatible version.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from benchmark.config.literal import literal
    from benchmark.config.run_config import recorded_config
    from benchmark.evaluation.reopen import check_not_imported, checked_config

    check_not_imported(run)
    composed: Any = recorded_config(literal({**run.record.config, **(keys or {})}))
    for change in changes:
        key, separator, value = change.partition("=")
        if not separator or key.split(".")[0] not in changeable:
            raise BenchmarkError(
                f"'{change}' cannot be changed when scoring again; what can: "
                f"{', '.join(f'{name}=...' for name in changeable)}"
            )
        if key == "scorer":
            composed.scorers = {}
        if key == "metrics":
            composed.metrics = OmegaConf.create(metrics_config(value))
            continue
        try:
            composed = OmegaConf.merge(composed, OmegaConf.from_dotlist([change]))
        except (OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
            raise BenchmarkError(
                f"the value of {change[:200]} cannot be read: {described(error)[:200]}"
            ) from None
    return checked_config(run, composed)
