"""`sanity`: metrics tested on explanations that were corrupted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.arguments import Parser, add_changes, add_run, add_seed, add_wide
from benchmark.errors import BenchmarkError, unknown

if TYPE_CHECKING:
    from benchmark.analysis.sanity import Verdict

ABOUT = """\
Tests the metrics themselves on the neurons of a finished run. A perfect explanation, which knows
which held-out tokens fire, is corrupted twice: half of its positives go missing, or as many random
ones are added. A metric passes if it drops on more than 90 % of the neurons both times.
"""
EXAMPLES = """\
python -m benchmark sanity results/<run> metrics=[pearson,f1]
python -m benchmark sanity results/<run> --seed 1 device=cpu
"""

LEGEND = """\
perfect: mean score of the perfect explanation. missing, extra: share of neurons on which the score
falls by more than a thousandth of its range when labels are missing or extra labels added.
untested: neurons that fire on fewer than two of the tokens, or on more than half of them."""


CHANGEABLE = ("device", "batch_tokens", "cache_dir")
OLD = {"seed": "--seed N"}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser(
        "sanity",
        ABOUT,
        takes="the folder of a run first",
        examples=EXAMPLES,
        old=OLD,
        overrides=True,
    )
    add_run(made)
    add_changes(
        made,
        "keys of the configuration: metrics=... (a set of configs/metrics, or names: "
        "metrics=[pearson,f1]), device=..., batch_tokens=..., cache_dir=...",
    )
    made.add_argument("--metrics", metavar="NAME,...", help="the same as metrics=[NAME,...]")
    add_seed(made, "which labels go missing or are added")
    add_wide(made)
    return made


def command(words: Sequence[str]) -> int:
    """Run both tests and print one row for each metric."""
    given = parser().read(words)
    if "=" in given.run and not Path(given.run).exists():
        raise BenchmarkError("sanity takes the folder of a run first; see sanity --help.")
    names, changes = _options(given.change)
    if given.metrics is not None:
        names = _metrics(given.metrics)
    from benchmark.analysis.sanity import check_metrics, check_recorded
    from benchmark.cli.find import find_run
    from benchmark.cli.score import config_of

    run = find_run(given.run)
    if run.record.imported is None:
        verdicts = check_metrics(run, config_of(run, changes), names, seed=given.seed)
    else:
        verdicts = check_recorded(run, names, seed=given.seed)
    print_verdicts(verdicts)
    return 0


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print the table, and what in it contradicts the marks of the catalogue."""
    from benchmark.terminal.table import print_rows, say
    from leaderboards.cells import marked, marks_legend

    rows = []
    for verdict in verdicts:
        result = verdict.result
        known = result.n > 0
        rows.append(
            [
                marked(verdict.column),
                ("pass" if result.passes else "fail") if known else "-",
                "-" if result.score is None else f"{result.score:.3f}",
                "-" if result.missing is None else f"{result.missing:.1%}",
                "-" if result.extra is None else f"{result.extra:.1%}",
                str(result.n),
                str(result.n_untested),
            ]
        )
    columns = ["metric", "sanity", "perfect", "missing", "extra", "neurons", "untested"]
    print_rows(columns, rows, text_columns=2)
    say(LEGEND + "\n")
    sys.stdout.write(marks_legend([verdict.column for verdict in verdicts]))
    for verdict in verdicts:
        sys.stdout.write(_contradiction(verdict))


def _contradiction(verdict: Verdict) -> str:
    """Return a line where a metric does here what its mark does not say; empty where it does."""
    if verdict.expected is None or verdict.result.n == 0:
        return ""
    if verdict.result.passes == verdict.expected:
        return ""
    if verdict.expected:
        return f"note: {verdict.column} is not marked but fails on these neurons.\n"
    return f"note: {verdict.column} is marked but passes on these neurons; see docs/metrics.md.\n"


def _options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the metrics, and what changes the configuration of the run."""
    from metrics import METRICS

    names, changes = list(METRICS), []
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            raise BenchmarkError(f"'{word}' is not key=value; see sanity --help.")
        if key == "metrics":
            names = _metrics(value)
        elif key.split(".")[0] in CHANGEABLE:
            changes.append(word)
        else:
            raise unknown("key", key, ("metrics", *OLD, *CHANGEABLE))
    return names, changes


def _metrics(value: str) -> list[str]:
    """Return the metrics of a set, or those that are named."""
    from benchmark.config.catalogue import metrics_config
    from metrics import METRICS

    names = list(metrics_config(value)["metrics"])
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    if not names:
        raise BenchmarkError("metrics is empty; name at least one: metrics=[pearson].")
    return names
