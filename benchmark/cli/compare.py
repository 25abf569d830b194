"""`compare`: runs on the same neurons, ranked, and every pair of them tested."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.arguments import (
    Parser,
    add_run,
    add_seed,
    add_wide,
    metric_list,
    share,
    take_metrics,
    whole,
)
from benchmark.config.run_config import MOST_RESAMPLES

if TYPE_CHECKING:
    from benchmark.analysis.compare import Comparison
    from metrics import PairedDifference

ABOUT = """\
Ranks finished runs of the same neurons on the same text and tests every pair of them, neuron by
neuron: mean difference, its interval over neurons and held-out documents, over neurons alone and
over layers, and a p-value.
"""
EXAMPLES = """\
python -m benchmark compare results/solu-tiny/stdlib
python -m benchmark compare <run> <run> --metrics pearson,f1 --rank-by f1
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
LEAST = ("over layers", "null", "over neurons", "neurons' p", "neurons", "failed", "evidence")
# Keys as they were written, and options as they are.
OLD = {
    "rank_by": "--rank-by NAME",
    "resamples": "--resamples N",
    "confidence": "--confidence SHARE",
    "seed": "--seed N",
}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser(
        "compare", ABOUT, takes="at least two runs", examples=EXAMPLES, old=OLD, overrides=True
    )
    add_run(made, several=True)
    made.add_argument(
        "--metrics",
        metavar="NAME,...",
        type=metric_list,
        help="what to compare; plain names are of the uniform set, others are written as top/f1 or "
        "causal/uniform_mean (default: pearson, auprc and f1, those that the runs have)",
    )
    made.add_argument(
        "--rank-by", metavar="NAME", help="what orders the runs (default: pearson, if it is there)"
    )
    made.add_argument(
        "--resamples",
        metavar="N",
        type=whole("--resamples", 1, MOST_RESAMPLES, digits=18),
        default=10_000,
        help="bootstrap draws",
    )
    made.add_argument(
        "--confidence",
        metavar="SHARE",
        type=share("--confidence", zero=False, one=False),
        default=0.95,
        help="of the intervals",
    )
    add_seed(made, "of the draws")
    add_wide(made)
    return made


def command(words: Sequence[str]) -> int:
    """Compare runs and print both tables."""
    given = parser().read(words)
    places = take_metrics(given, given.run, ("metrics", *OLD))
    from benchmark.analysis.compare import compare_runs
    from benchmark.cli.find import find_all

    comparison = compare_runs(
        find_all(places),
        given.metrics,
        rank_by=given.rank_by,
        resamples=given.resamples,
        level=given.confidence,
        seed=given.seed,
    )
    print_comparison(comparison)
    return 0


def print_comparison(comparison: Comparison) -> None:
    """Print the runs in their order, then every pair on every column."""
    from benchmark.analysis.compare import NOT_SIGNIFICANT, THESE_DOCUMENTS
    from benchmark.terminal.table import print_rows, say
    from leaderboards.cells import marked, marks_legend

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
        least=LEAST,
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
    print_rows(
        [*columns, "neurons", "null", "p", "neurons' p", "Holm"], rows, text_columns=4, least=LEAST
    )
    say(LEGEND.format(n=len(rows), these=THESE_DOCUMENTS, tied=NOT_SIGNIFICANT) + "\n")
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


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{low:+.3f}, {high:+.3f}]"
