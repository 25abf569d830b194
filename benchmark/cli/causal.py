"""Causal scores for a person: of a run by layer, of neurons replaced together, of one neuron."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.scorers.causal.columns import ABLATIONS, CAUSAL, CONTEXTS, effect_column
from benchmark.terminal.table import print_rows, say

if TYPE_CHECKING:
    from benchmark.results import Run

RUN_LEGEND = """\
1 - D(simulated) / D(ablated), D being the Jensen-Shannon divergence of the next-token distribution
from the untouched subject's. uniform, firing: on uniformly drawn held-out contexts, on such in
which the neuron fires; mean, zero: ablated to its mean activation or to 0. By effect: neurons count
by D(ablated). null: ablating changes nothing there, or the neuron fires in no context.
"""
TOGETHER_LEGEND = """\
Neurons of a layer replaced all at once, those with the largest effect. Losses are nats per token on
the uniform contexts; recovered: the part of the ablation's loss that the simulation wins back.
-: ablating them costs no loss.
"""


def print_causal(run: Run) -> None:
    """The causal scores of a run; nothing if it has none."""
    names = run.scores.causal_columns
    if names:
        columns = run.scores.to_numpy()
        rows = []
        layers = sorted(set(columns["layer"].tolist()))
        for layer in [*layers, None] if len(layers) > 1 else layers:
            chosen = np.ones(len(run.scores), bool) if layer is None else columns["layer"] == layer
            for by_effect in (False, True):
                row = ["all" if layer is None else str(layer), str(int(chosen.sum()))]
                row.append("effect" if by_effect else "neuron")
                for name in names:
                    values = columns[name][chosen]
                    known = ~np.isnan(values)
                    effects = columns[_effect_of(name)][chosen][known]
                    weights = effects if by_effect else np.ones(int(known.sum()))
                    row += [_mean(values[known], weights), str(int((~known).sum()))]
                rows.append(row)
        headings = ["layer", "neurons", "mean by"]
        for name in names:
            headings += [name.removeprefix(f"{CAUSAL}/").replace("_", " "), "null"]
        sys.stdout.write("\n")
        print_rows(headings, rows, title="causal scores, each neuron replaced alone")
        say(RUN_LEGEND)
    if run.record.together:
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
        say(TOGETHER_LEGEND)


def print_causal_neuron(run: Run, row: Mapping[str, Any]) -> None:
    """The causal scores of one neuron's row; nothing if it has none."""
    if not run.scores.causal_columns:
        return
    headings = ["causal, on contexts"]
    for ablation in ABLATIONS:
        headings += [f"score ({ablation})", f"effect ({ablation})"]
    rows = []
    for contexts in CONTEXTS:
        cells = [contexts]
        for ablation in ABLATIONS:
            score, effect = (
                row.get(name)
                for name in (f"{CAUSAL}/{contexts}_{ablation}", effect_column(contexts, ablation))
            )
            cells.append("-" if score is None else f"{score:.3f}")
            cells.append("-" if effect is None else f"{effect:.2e}")
        rows.append(cells)
    print_rows(headings, rows)
    say(
        "effect: what ablating the neuron changes, Jensen-Shannon divergence in nats per token;\n"
        "score: the part of it that the simulation keeps.\n"
    )


def _effect_of(column: str) -> str:
    contexts, _, ablation = column.removeprefix(f"{CAUSAL}/").partition("_")
    return effect_column(contexts, ablation)


def _mean(values: Any, weights: Any) -> str:
    return f"{np.average(values, weights=weights):.3f}" if len(values) else "-"
