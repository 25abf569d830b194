"""Tables of `show` about scores that stand beside those on the scoring sets, scorer by scorer."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.column import BOOL, SCORE, Column
from benchmark.results.columns import (
    ABLATIONS,
    CALIBRATION,
    CAUSAL,
    CLIPPED,
    HARNESS,
    INTERCEPT,
    SIMULATION,
    SLOPE,
    UNIFORM,
    calibrated_set,
    cell_of,
    group_of,
    metric_of,
    of_set,
    score_column,
)
from benchmark.terminal.table import print_rows, say
from benchmark.token_text import one_line
from leaderboards.cells import marked, marks_legend, neuron_interval, number

if TYPE_CHECKING:
    from benchmark.results import Run, Scores

CAUSAL_TITLE = "causal scores, each neuron replaced alone"
CAUSAL_LEGEND = """\
1 - D(simulated) / D(ablated), D being the Jensen-Shannon divergence of the next-token distribution
from the untouched subject's. uniform, firing: on uniformly drawn held-out contexts, on such in
which the neuron fires; mean, zero: ablated to its mean activation or to 0. By effect: neurons count
by D(ablated). null: ablating changes nothing there, or the neuron fires in no context.
"""
CAUSAL_NEURON_LEGEND = """\
effect: what ablating the neuron changes, Jensen-Shannon divergence in nats per token;
score: the part of it that the simulation keeps.
"""
TOGETHER_LEGEND = """\
Neurons of a layer replaced all at once, those with the largest effect. Losses are nats per token on
the uniform contexts; recovered: the part of the ablation's loss that the simulation wins back.
-: ablating them costs no loss.
"""


def print_scorers(run: Run) -> None:
    """Print the scores of a run that are on no scoring set by layer, one table for each scorer."""
    for scorer, columns in _beside(run.scores).items():
        shown = [column for column in columns if column.kind == SCORE]
        if shown:
            title = CAUSAL_TITLE if scorer == CAUSAL else f"scores of {scorer}"
            legend = CAUSAL_LEGEND if scorer == CAUSAL else _legend(shown)
            _print_by_layer(run.scores, shown, title, legend)
    _print_together(run)


def print_neuron_scorers(run: Run, row: Mapping[str, Any]) -> None:
    """Print what scorers measured of one neuron on no scoring set; nothing for a run without."""
    for scorer, columns in _beside(run.scores).items():
        cells = {cell_of(column): column for column in columns}
        rows = list(dict.fromkeys(place for place, _ in cells))
        headings = list(dict.fromkeys(heading for _, heading in cells))
        if scorer == CAUSAL:
            headings = [f"{what} ({name})" for name in ABLATIONS for what in ("score", "effect")]
        print_rows(
            [f"{CAUSAL}, on contexts" if scorer == CAUSAL else scorer, *headings],
            [
                [place, *(_value(cells.get((place, heading)), row) for heading in headings)]
                for place in rows
            ],
        )
        say(CAUSAL_NEURON_LEGEND if scorer == CAUSAL else _legend(columns))
    _print_map(row)


def print_calibration(run: Run) -> None:
    """Print the means on uniformly drawn contexts before and after calibration, if any."""
    record = run.record
    clipped = record.summary.get(CLIPPED)
    if clipped is None:
        return
    metrics = [metric_of(name) for name in of_set(run.scores.metric_columns, UNIFORM)]
    rows = []
    for name in metrics:
        before = record.metric(score_column(UNIFORM, name))
        after = record.metric(score_column(calibrated_set(UNIFORM), name))
        rows.append([marked(name), number(before), number(after), neuron_interval(after)])
    sys.stdout.write("\n")
    print_rows(
        ["score", "as predicted", "calibrated", "95 % over neurons"],
        rows,
        title=f"after {record.config.get('calibration')} calibration, on uniformly drawn contexts",
    )
    sys.stdout.write(marks_legend(metrics))
    sys.stdout.write(
        "calibrated: each neuron's predictions mapped to its scale, as fitted on the calibrate "
        f"split; never\nthe headline. {clipped} of {record.neurons.explained} explained neurons "
        "fall where their prediction rises: calibrated, they are\npredicted their mean.\n"
    )


def _beside(scores: Scores) -> dict[str, list[Column]]:
    """Return the columns of each scorer whose columns are about no scoring set."""
    found: dict[str, list[Column]] = {}
    for column in scores.described:
        if column.scorer not in (SIMULATION, CALIBRATION, HARNESS):
            found.setdefault(column.scorer, []).append(column)
    return found


def _legend(columns: Sequence[Column]) -> str:
    lines = (
        f"{one_line(column.title or column.metric)}: {one_line(column.description)}."
        for column in columns
        if column.description
    )
    return "".join(f"{textwrap.fill(line, 100)}\n" for line in lines)


def _print_by_layer(scores: Scores, columns: Sequence[Column], title: str, legend: str) -> None:
    """Print means over the neurons of each layer and over all; weighted ones in further rows."""
    values = scores.to_numpy()
    weights_of = [column.weights for column in columns if column.weights in values]
    # The effects of causal scores are a group of their own; others are told by their name.
    named = weights_of and (group_of(weights_of[0]), metric_of(weights_of[0]))
    weighted = named[named[0] == columns[0].group] if named else ""
    layers: list[int | None] = sorted(set(values["layer"].tolist()))
    rows = []
    for layer in [*layers, None] if len(layers) > 1 else layers:
        chosen = np.ones(len(scores), bool) if layer is None else values["layer"] == layer
        for by_effect in (False, True) if weighted else (False,):
            row = ["all" if layer is None else str(layer), str(int(chosen.sum()))]
            row += [weighted if by_effect else "neuron"] if weighted else []
            for column in columns:
                found = values[column.name][chosen]
                known = ~np.isnan(found)
                weights = np.ones(int(known.sum()))
                if by_effect and column.weights in values:
                    weights = values[column.weights][chosen][known]
                row += [_mean(found[known], weights), str(int((~known).sum()))]
            rows.append(row)
    headings = ["layer", "neurons", *(["mean by"] if weighted else [])]
    for column in columns:
        headings += [column.metric.replace("_", " ") if weighted else column.heading, "null"]
    sys.stdout.write("\n")
    print_rows(headings, rows, title=title)
    sys.stdout.write(legend)


def _print_together(run: Run) -> None:
    if not run.record.together:
        return
    sys.stdout.write("\n")
    print_rows(
        ["layer", "neurons", "loss", "simulated", "mean-ablated", "zero-ablated"]
        + [f"recovered ({ablation})" for ablation in ABLATIONS],
        [
            [str(one.layer), str(len(one.neurons)), *(f"{loss:.4f}" for loss in losses)]
            + ["-" if part is None else f"{part:.3f}" for part in recovered]
            for one in run.record.together
            for losses in [(one.loss, one.loss_simulated, one.loss_mean, one.loss_zero)]
            for recovered in [(one.recovered_mean, one.recovered_zero)]
        ],
        title="causal scores, neurons replaced together",
    )
    sys.stdout.write(TOGETHER_LEGEND)


def _print_map(row: Mapping[str, Any]) -> None:
    """Print the map that one neuron's predictions were calibrated by, if there is one."""
    if row.get(CLIPPED):
        text = "slope clipped to 0, because the neuron falls where its prediction rises"
    elif row.get(SLOPE) is not None:
        text = f"{row[SLOPE]:.4g} times the prediction, {row[INTERCEPT]:+.4g}"
    else:
        return
    sys.stdout.write(f"{CALIBRATION}: {text}\n")


def _value(column: Column | None, row: Mapping[str, Any]) -> str:
    value = None if column is None else row.get(column.name)
    if column is None or value is None:
        return "-"
    if column.dtype == BOOL:
        return "yes" if value else "no"
    return format(value, column.form)


def _mean(values: Any, weights: Any) -> str:
    return f"{np.average(values, weights=weights):.3f}" if len(values) else "-"
