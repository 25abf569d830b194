"""Tables of imported runs: what was recorded, and every metric on the recorded sequences."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.results.columns import TOP, TOP_AND_RANDOM, score_column
from benchmark.terminal.table import print_rows, say
from benchmark.token_text import one_line

if TYPE_CHECKING:
    from benchmark.results import MetricSummary, Run, RunRecord

SETS = (TOP_AND_RANDOM, TOP)
SHOWN = ("pearson", "auprc", "f1", "iou")
TITLES = {"pearson": "r", "auprc": "AUPRC", "f1": "F1", "iou": "IoU"}
LEGEND = (
    "r, AUPRC, F1, IoU: means over neurons on the sequences that were recorded with the "
    "explanations, all of a neuron pooled, each with its 95 % interval over neurons. "
    "top_and_random: some of a neuron's strongest sequences and some random ones; top: its "
    "strongest alone. Both flatter beside uniformly drawn text, and nothing is ranked by them. A "
    "neuron fires from half of its largest recorded activation on. undef.: neurons whose "
    "prediction is constant (r counts as 0); null: neurons without such a score."
)


def print_imported(runs: Sequence[Run]) -> None:
    """Print what is known of imported runs: metrics on recorded sequences, recorded scores."""
    rows = [
        row
        for run in runs
        for group in SETS
        if group in run.scores.scoring_sets
        for row in [_scored(run.record, group)]
    ]
    if rows:
        headings = ["explainer", "subject", "scored on", "neurons"]
        headings += [TITLES[name] for name in SHOWN]
        say("\n")
        print_rows([*headings, "undef.", "null"], rows, text_columns=3)
        say(f"{textwrap.fill(LEGEND, 100)}\n")
    recorded = [
        [
            one_line(run.record.explainer.name),
            column.metric,
            _cell(run.record.metric(column.name)),
            str(_null(run.record.metric(column.name))),
        ]
        for run in runs
        for column in run.scores.declared.values()
    ]
    if recorded:
        say("\n")
        print_rows(["explainer", "recorded score", "mean", "null"], recorded, text_columns=2)


def _scored(record: RunRecord, group: str) -> list[str]:
    """Return the row of a run on a set of recorded sequences."""
    found = [record.metric(score_column(group, name)) for name in SHOWN]
    names = [one_line(record.explainer.name), one_line(record.subject.name), group]
    counts = [str(record.undefined(group)), str(_null(found[0]))]
    return [*names, str(record.neurons.asked), *map(_cell, found), *counts]


def _null(found: MetricSummary | None) -> int:
    return 0 if found is None else found.n_null


def _cell(found: MetricSummary | None) -> str:
    """Return a mean with its interval."""
    if found is None or found.mean is None:
        return "-"
    low, high = found.over_neurons()
    return f"{found.mean:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")
