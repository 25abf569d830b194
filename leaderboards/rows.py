"""Rows of a table, each of a finished run."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

import metrics
from benchmark.evaluation.record import mean_with_intervals
from benchmark.results import OK, MetricSummary, Run
from benchmark.results.columns import (
    CHARACTERS,
    HEADLINE,
    LINES,
    UNDEFINED,
    cost_column,
    group_of,
    on_a_set,
)
from benchmark.tracking import layer_metrics
from leaderboards.model import Row, Score
from leaderboards.ranking import LEVEL, RESAMPLES, SEED, TEXT_BUDGETS

# Enough for a picture; every layer of every run has its own.
LAYER_RESAMPLES = 2000


def row_of(run: Run, label: str, column: str) -> Row:
    """Return the row of a run, not ranked yet.

    Means are computed from the run's table of scores. The interval of the column that ranks is
    computed again, so that it means the same in every row; those of other columns are the run's own
    where it asked for the same confidence.
    """
    record, scores = run.record, run.scores
    sizes = _known(run, cost_column("bytes"))
    return Row(
        rank=None,
        label=label,
        explainer=record.explainer.name,
        target=record.explainer.target,
        control=record.explainer.control,
        evidence=record.explainer.evidence,
        options=record.explainer.options,
        run_id=record.run_id,
        run=run,
        key=_mean(scores.column(column), replicates=scores.replicates(column)),
        scores={name: _score(run, name) for name in scores.metric_columns} | _weighted_scores(run),
        undefined={
            column.group: int(scores.column(column.name).sum())
            for column in scores.described
            if column.metric == UNDEFINED and on_a_set(column)
        },
        positives={
            group_of(name): float(np.median(known)) if len(known := _known(run, name)) else None
            for name in scores.positives_columns
        },
        asked=len(scores),
        explained=int((scores.column("status") == "ok").sum()),
        coverage=float((scores.column("status") == "ok").mean()) if len(scores) else None,
        subject_tokens=_cost(run, "subject_tokens"),
        explain_seconds=_cost(run, "explain_seconds"),
        simulate_seconds=_cost(run, "simulate_seconds"),
        bytes=_cost(run, "bytes"),
        largest_bytes=float(sizes.max()) if len(sizes) else None,
        **_text(run),
        unverified=run.unverified,
        layers={
            int(layer): layer_metrics(scores, int(layer))
            for layer in np.unique(scores.column("layer"))
        },
    )


def _mean(
    values: NDArray[Any],
    weights: NDArray[Any] | None = None,
    replicates: metrics.Replicates | None = None,
) -> Score:
    return mean_with_intervals(
        values, weights=weights, replicates=replicates, resamples=RESAMPLES, level=LEVEL, seed=SEED
    )


def mean_of(run: Run, column: str, layer: int | None = None) -> Score:
    """Return the mean of a column over the neurons of a layer, or of all, with its intervals.

    They are over neurons and held-out documents; over neurons alone without replicates.
    """
    values, replicates = run.scores.column(column), run.scores.replicates(column)
    if layer is not None:
        of_layer = run.scores.column("layer") == layer
        values = values[of_layer]
        replicates = None if replicates is None else replicates.rows(of_layer)
    return mean_with_intervals(
        values, replicates=replicates, resamples=LAYER_RESAMPLES, level=LEVEL, seed=SEED
    )


def _score(run: Run, column: str) -> Score:
    known = _known(run, column)
    return dataclasses.replace(
        _own_intervals(run, column),
        mean=float(known.mean()) if len(known) else None,
        n=len(known),
        n_null=len(run.scores) - len(known),
    )


def _weighted_scores(run: Run) -> dict[str, Score]:
    """Return means in which neurons count by another column, such as by their causal effect."""
    return {
        column.summary_name: _mean(
            run.scores.column(column.name), run.scores.column(column.weights)
        )
        for column in run.scores.described
        if column.weights in run.scores.columns
    }


def _own_intervals(run: Run, column: str) -> Score:
    """Return the intervals of the run's summary, if they are of the confidence of this table."""
    bootstrap = run.record.config.get("bootstrap")
    confidence = bootstrap.get("confidence", LEVEL) if isinstance(bootstrap, dict) else LEVEL
    summary = run.record.metric(column)
    if not isinstance(summary, MetricSummary) or confidence != LEVEL:
        return Score(mean=None)
    neuron_low, neuron_high = summary.over_neurons()
    return dataclasses.replace(summary, neuron_low=neuron_low, neuron_high=neuron_high)


def _text(run: Run) -> dict[str, Any]:
    """Return the fields about texts, none unless every explanation's text is the whole of it."""
    scores = run.scores
    if not {cost_column(CHARACTERS), cost_column(LINES)} <= set(scores.columns):
        return {}
    characters, lines = (scores.column(cost_column(name)) for name in (CHARACTERS, LINES))
    explained = scores.column("status") == OK
    if not explained.any() or np.isnan(characters[explained] + lines[explained]).any():
        return {}
    return {
        "characters": float(characters[explained].mean()),
        "largest_characters": float(characters[explained].max()),
        "lines": float(lines[explained].mean()),
        "within": _within_budgets(run, characters) if HEADLINE in scores.columns else {},
    }


def _within_budgets(run: Run, characters: NDArray[Any]) -> dict[int, Score]:
    """Return the mean r within each budget; budgets that leave out the same neurons share one."""
    found: dict[bytes, Score] = {}
    within: dict[int, Score] = {}
    for budget in (budget for budget in TEXT_BUDGETS if budget is not None):
        longer = characters > budget
        key = longer.tobytes()
        if key not in found:
            found[key] = _within(run, longer)
        within[budget] = found[key]
    return within


def _within(run: Run, longer: NDArray[np.bool_]) -> Score:
    """Return the mean r with the r of neurons whose text is longer than a budget set to 0."""
    values, replicates = run.scores.column(HEADLINE), run.scores.replicates(HEADLINE)
    if replicates is not None:
        there = np.where(longer[:, None] & ~np.isnan(replicates.values), 0.0, replicates.values)
        replicates = dataclasses.replace(replicates, values=there)
    return _mean(np.where(longer & ~np.isnan(values), 0.0, values), replicates=replicates)


def _cost(run: Run, name: str) -> float | None:
    known = _known(run, cost_column(name))
    return float(known.mean()) if len(known) else None


def _known(run: Run, column: str) -> NDArray[Any]:
    """Return the values of a column that are not null; none where the run lacks it."""
    if column not in run.scores.columns:
        return np.empty(0)
    values = run.scores.column(column)
    known: NDArray[Any] = values[~np.isnan(values)]
    return known
