"""`compare`: runs on the same neurons, ranked, and every pair of them tested."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, unknown
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.analysis.compare import Comparison
    from benchmark.results import Run
    from metrics import PairedDifference

HELP = """\
usage: python -m benchmark compare <run> <run> [...] [key=value ...]

Ranks finished runs of the same neurons on the same text and tests every pair of them, neuron by
neuron: mean difference, its interval over neurons and held-out documents, over neurons alone and
over layers, and a p-value. <run> is a folder under results/, or any folder above several runs.

  metrics=pearson,auprc,f1   what to compare (on the uniform set; others are top/f1,
                             causal/uniform_mean)
  rank_by=pearson            what orders the runs
  resamples=10000  confidence=0.95  seed=0
"""

LEGEND = """\
difference: mean over neurons of the first run's score minus the second's; intervals by bootstrap
over neurons and held-out documents (both drawn, the same ones for both runs), over neurons alone,
and over layers (whole layers drawn; with few layers a coarse one). p: of no difference over neurons
and documents; neurons' p: sign-flip permutation test over neurons, these documents taken as they
are; Holm: p corrected for all {n} tests of this table. {these}: holds over neurons of these
documents only (5 %, corrected), or one of the runs keeps no scores on resampled documents, and '-'
stands for what rests on them; {tied}: not significant. null: neurons of which one of the scores
does not exist, left out."""

INTERVALS = ("95 % interval", "over neurons", "over layers")
LONGEST_NUMBER = 18  # digits
KEYS = ("metrics", "rank_by", "resamples", "confidence", "seed")


def command(words: Sequence[str]) -> int:
    """Compare runs and print both tables."""
    if not words or any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0 if words else 1
    runs = [word for word in words if not _is_option(word)]
    options = _options([word for word in words if _is_option(word)])
    from benchmark.analysis.compare import compare_runs

    print_comparison(compare_runs(_load(runs), **options))
    return 0


def print_comparison(comparison: Comparison) -> None:
    """The runs in their order, then every pair on every column."""
    from benchmark.analysis.compare import NOT_SIGNIFICANT, THESE_DOCUMENTS
    from benchmark.cli.table import marked, marks_legend, print_rows

    key = marked(comparison.ranked_by)
    print_rows(
        ["explainer", "evidence", "neurons", "failed", key, *INTERVALS],
        [
            [
                one.label,
                one.run.record.explainer.evidence,
                str(one.over_neurons.n),
                str(int((one.run.scores.column("status") == "failed").sum())),
                _number(one.over_neurons.mean, "{:.3f}"),
                "-" if one.over_both is None else _interval(one.over_both.low, one.over_both.high),
                _interval(one.over_neurons.low, one.over_neurons.high),
                _interval(one.over_layers.low, one.over_layers.high),
            ]
            for one in comparison.standings
        ],
        text_columns=2,
    )
    rows = [
        [
            marked(one.column),
            one.first,
            one.second,
            one.mark,
            *_cells(one.paired),
            _number(one.adjusted_p, "{:.2g}"),
        ]
        for one in comparison.differences
    ]
    columns = ["score", "first", "second", "", "difference", *INTERVALS]
    print_rows([*columns, "neurons", "null", "p", "neurons' p", "Holm"], rows, text_columns=4)
    sys.stdout.write(LEGEND.format(n=len(rows), these=THESE_DOCUMENTS, tied=NOT_SIGNIFICANT) + "\n")
    sys.stdout.write(marks_legend([one.column for one in comparison.differences]))


def _cells(paired: PairedDifference) -> list[str]:
    return [
        _number(paired.mean, "{:+.3f}"),
        _interval(paired.both_low, paired.both_high),
        _interval(paired.low, paired.high),
        _interval(paired.cluster_low, paired.cluster_high),
        str(paired.n),
        str(paired.n_null),
        _number(paired.both_p, "{:.2g}"),
        _number(paired.p, "{:.2g}"),
    ]


def _load(words: Sequence[str]) -> list[Run]:
    from benchmark.results import find_runs, load_run

    folders: list[Path] = []
    for word in words:
        folder = Path(word)
        below = find_runs([folder]) if folder.is_dir() else []
        folders += below if len(below) > 1 else below or [folder]
    several = len(folders) > len(words)
    runs: list[Run] = []
    for folder in dict.fromkeys(folders):
        try:
            runs.append(load_run(folder))
        except BenchmarkError as error:
            # Named by the user it must be there; found below a folder it stops no other.
            if not several:
                raise
            sys.stderr.write(f"left out: {one_line(error)}\n")
    return runs


def _is_option(word: str) -> bool:
    return "=" in word and not Path(word).exists()


def _options(words: Sequence[str]) -> dict[str, Any]:
    from benchmark.config.run_config import MOST_RESAMPLES

    options: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in KEYS:
            raise unknown("key", key, KEYS)
        if key == "metrics":
            options["names"] = [name.strip() for name in value.strip("[]").split(",") if name]
            if not options["names"]:
                raise BenchmarkError("metrics is empty; name at least one: metrics=pearson.")
        elif key == "rank_by":
            options["rank_by"] = value
        elif key == "confidence":
            options["level"] = _parsed(key, value, float)
        else:
            options[key] = _parsed(key, value, int)
    if not 0.0 < options.get("level", 0.95) < 1.0:
        raise BenchmarkError(f"confidence={options['level']} is not between 0 and 1.")
    if options.get("resamples", 1) > MOST_RESAMPLES:
        raise BenchmarkError(
            f"resamples={options['resamples']} is too large; the largest is {MOST_RESAMPLES}."
        )
    for key, least in (("resamples", 1), ("seed", 0)):
        if options.get(key, least) < least:
            raise BenchmarkError(f"{key}={options[key]} is too small; the smallest is {least}.")
    return options


def _parsed(key: str, value: str, kind: type[int] | type[float]) -> float:
    try:
        if len(value) > LONGEST_NUMBER:
            raise ValueError
        return kind(value)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise BenchmarkError(f"{key}={value:.60} must be {what}.") from None


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{low:+.3f}, {high:+.3f}]"
