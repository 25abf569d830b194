"""`sanity`: metrics tested on explanations that were corrupted."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError, unknown

if TYPE_CHECKING:
    from benchmark.analysis.sanity import Verdict

HELP = """\
usage: python -m benchmark sanity <run> [key=value ...]

Tests the metrics themselves on the neurons of a finished run. A perfect explanation, which knows
which held-out tokens fire, is corrupted twice: half of its positives go missing, or as many random
ones are added. A metric passes if it drops on more than 90 % of the neurons both times.

  metrics=all            a set of metrics (configs/metrics), or names: metrics=[pearson,f1]
  seed=0                 which labels go missing or are added
  device=..., batch_tokens=..., cache_dir=...
"""

LEGEND = """\
perfect: mean score of the perfect explanation. missing, extra: share of neurons on which the score
falls by more than a thousandth of its range when labels are missing or extra labels added.
untested: neurons that fire on fewer than two of the tokens, or on more than half of them."""


def command(words: Sequence[str]) -> int:
    """Run both tests and print one row for each metric."""
    if not words or any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0 if words else 1
    if "=" in words[0]:
        raise BenchmarkError("sanity takes the folder of a run first; see sanity --help.")
    names, seed, changes = _options(words[1:])
    from benchmark.analysis.sanity import check_metrics
    from benchmark.cli.score import config_of
    from benchmark.results import load_run

    run = load_run(Path(words[0]))
    print_verdicts(check_metrics(run, config_of(run, changes), names, seed=seed))
    return 0


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """The table, and whatever in it contradicts the marks of the catalogue."""
    from benchmark.cli.table import marked, marks_legend, print_rows

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
    sys.stdout.write(LEGEND + "\n")
    sys.stdout.write(marks_legend([verdict.column for verdict in verdicts]))
    for verdict in verdicts:
        sys.stdout.write(_contradiction(verdict))


def _contradiction(verdict: Verdict) -> str:
    """A line where a metric does here what its mark does not say; empty where it does."""
    if verdict.expected is None or verdict.result.n == 0:
        return ""
    if verdict.result.passes == verdict.expected:
        return ""
    if verdict.expected:
        return f"note: {verdict.column} is not marked but fails on these neurons.\n"
    return f"note: {verdict.column} is marked but passes on these neurons; see docs/metrics.md.\n"


def _options(words: Sequence[str]) -> tuple[list[str], int, list[str]]:
    """The metrics, the seed, and what changes the configuration of the run."""
    from benchmark.config.catalogue import metrics_config
    from metrics import METRICS

    names, seed, changes = list(METRICS), 0, []
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            raise BenchmarkError(f"'{word}' is not key=value; see sanity --help.")
        if key == "metrics":
            names = list(metrics_config(value)["metrics"])
            for name in names:
                if name not in METRICS:
                    raise unknown("metric", name, METRICS)
            if not names:
                raise BenchmarkError("metrics is empty; name at least one: metrics=[pearson].")
        elif key == "seed":
            if not re.fullmatch("[0-9]{1,18}", value):
                raise BenchmarkError(f"seed={value:.60} must be a whole number, at least 0.")
            seed = int(value)
        elif key.split(".")[0] in ("device", "batch_tokens", "cache_dir"):
            changes.append(word)
        else:
            raise unknown("key", key, ("metrics", "seed", "device", "batch_tokens", "cache_dir"))
    return names, seed, changes
