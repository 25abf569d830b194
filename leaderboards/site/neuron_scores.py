"""Scores of single neurons with their intervals over contexts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from benchmark.evidence import Truth
from benchmark.results.columns import (
    HEADLINE,
    INTERCEPT,
    NOVEL,
    PEARSON_HIGH,
    PEARSON_LOW,
    SHARED_SETS,
    SLOPE,
    TOP,
    TOP_AND_RANDOM,
    UNDEFINED,
    UNIFORM,
    calibrated_set,
    group_of,
    metric_of,
    score_column,
)
from leaderboards.site.predictions import Predictions
from leaderboards.site.reductions import OwnContexts
from metrics import METRICS
from metrics.resampled import draw_weights
from metrics.sums import Units
from metrics.unit_bootstrap import unit_intervals

# Neurons whose intervals are computed at once: what is held beside them stays small.
ROWS_AT_ONCE = 16
RESAMPLES = 400

Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class ScoreCell:
    """A neuron's score, null being None, with its interval where it has one."""

    value: float | None
    low: float | None = None
    high: float | None = None


def score_cells(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    intervals: Mapping[str, Ends],
) -> list[dict[str, ScoreCell]]:
    """Return every score of every neuron from its row of the run's scores, empty where it has none.

    The interval is that over contexts; of the correlation on the `uniform` set it is that over
    documents, where the run has it.
    """
    return [
        {column: _cell(column, row, intervals.get(column), at) for column in columns}
        for at, row in enumerate(rows)
    ]


def _cell(column: str, row: Mapping[str, Any], ends: Ends | None, at: int) -> ScoreCell:
    value = row.get(column)
    low, high = (score_column(UNIFORM, name) for name in (PEARSON_LOW, PEARSON_HIGH))
    if column == HEADLINE and row.get(low) is not None:
        return ScoreCell(value, row[low], row[high])
    if value is None or ends is None or np.isnan(ends[0][at]):
        return ScoreCell(value)
    return ScoreCell(value, float(ends[0][at]), float(ends[1][at]))


def constant_sets(scores: Mapping[str, Any]) -> list[str]:
    """Return the scoring sets on which a neuron's prediction is constant."""
    return [
        group_of(name) for name, value in scores.items() if value and metric_of(name) == UNDEFINED
    ]


def set_intervals(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    predictions: Predictions,
    threshold: Float[Tensor, " n"],
    truth: Truth,
    own: OwnContexts,
) -> dict[str, Ends]:
    """Return the low and high end of every column of the scoring sets, `[n]`.

    Linearly calibrated sets have them too, by the slope and intercept that the rows hold; what is
    calibrated in another way, and causal scores, have none.

    Args:
        columns: the run's columns of scores.
        rows: each neuron's row of the run's scores.
        predictions: of the same neurons.
        threshold: their firing thresholds.
        truth: their held-out activations.
        own: their own contexts.
    """
    top = predictions.own[:, own.top]
    spread_rows = truth.rows(TOP_AND_RANDOM)[0, top.shape[1] :].contiguous()
    spread = torch.searchsorted(truth.uniform, spread_rows)
    predicted = {
        UNIFORM: predictions.shared,
        NOVEL: predictions.shared,
        TOP: top,
        TOP_AND_RANDOM: torch.cat([top, predictions.shared[:, spread]], dim=1),
    }
    is_linear = any(row.get(SLOPE) is not None for row in rows)
    found: dict[str, Ends] = {}
    for scoring_set, prediction in predicted.items():
        names = [name for name in METRICS if score_column(scoring_set, name) in columns]
        true, text = truth.activations(scoring_set), truth.scored(scoring_set)
        if scoring_set in SHARED_SETS:
            # A context without a scored token is none of the set's, so it cannot be drawn.
            held = text[0].any(-1)
            true, prediction, text = true[:, held], prediction[:, held], text[:, held]
        if text.shape[1] == 0:
            continue
        whole = Units.of_contexts(true, prediction, threshold, text)
        for name, ends in _ends(names, whole).items():
            found[score_column(scoring_set, name)] = ends
        group = calibrated_set(scoring_set)
        names = [name for name in METRICS if score_column(group, name) in columns]
        if names and is_linear:
            mapped = replace(whole, prediction=_calibrated(whole.prediction, rows))
            for name, ends in _ends(names, mapped).items():
                found[score_column(group, name)] = ends
    return found


def _ends(names: Sequence[str], units: Units) -> dict[str, Ends]:
    """Return the intervals of some metrics, a few neurons at a time."""
    if not names:
        return {}
    weights = draw_weights(units.n_units, RESAMPLES, seed=0)
    parts = [
        unit_intervals(names, units.rows(part), weights)
        for part in torch.arange(len(units)).split(ROWS_AT_ONCE)
    ]
    return {
        name: (
            torch.cat([part[name][0] for part in parts]).numpy(),
            torch.cat([part[name][1] for part in parts]).numpy(),
        )
        for name in names
    }


def _calibrated(
    prediction: Float[Tensor, "n tokens"], rows: Sequence[Mapping[str, Any]]
) -> Float[Tensor, "n tokens"]:
    """Return the predictions on the scale of the truth; those of failed neurons do not change."""
    maps = [(1.0, 0.0) if row.get(SLOPE) is None else (row[SLOPE], row[INTERCEPT]) for row in rows]
    slope, intercept = torch.tensor(maps, dtype=prediction.dtype).T
    mapped: Tensor = prediction * slope[:, None] + intercept[:, None]
    return mapped
