"""Numbers of a run that are logged as curves: means per layer, and over all neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.column import BOOL, BOUND, COST
from benchmark.results import FAILED, MetricSummary, RunRecord, Scores
from benchmark.results.columns import describe


def layer_metrics(scores: Scores, layer: int) -> dict[str, float | int | None]:
    """Return means over the neurons of one layer, under the names of the scores' columns.

    A score that cannot be computed for a neuron is left out of its mean; without any value the
    mean is None. Columns of true and false and `failed` are counts, `neurons` is how many rows the
    layer has.
    """
    rows = scores.column("layer") == layer
    found: dict[str, float | int | None] = {
        "neurons": int(rows.sum()),
        "failed": int((scores.column("status")[rows] == FAILED).sum()),
    }
    for column in scores.described:
        if column.kind == BOUND:
            continue  # an end of one neuron's interval has no mean
        values = scores.column(column.name)[rows]
        found[column.name] = int(values.sum()) if column.dtype == BOOL else _mean(values)
    return found


def overall_metrics(record: RunRecord, scores: Scores) -> dict[str, Any]:
    """Return the run's summary, coverage, and mean costs per neuron, under flat names.

    `uniform/pearson` is the mean, `uniform/pearson/low` and `/high` its interval,
    `uniform/pearson/n_null` the neurons for which it cannot be computed; `uniform/positives/median`
    is the median of how many tokens a neuron fires on.
    """
    found: dict[str, Any] = {}
    for name, entry in record.summary.items():
        if isinstance(entry, MetricSummary):
            found[name] = entry.mean
            if entry.median is not None:
                found[f"{name}/median"] = entry.median
            if describe(name).kind == COST or entry.median is not None:
                continue  # a mean cost has no interval, nor has a number of tokens
            found[f"{name}/low"], found[f"{name}/high"] = entry.low, entry.high
            found[f"{name}/n_null"] = entry.n_null
        else:
            found[name] = entry
    for column in scores.described:
        if column.kind == COST:
            found[column.name] = _mean(scores.column(column.name))
    neurons = record.neurons
    return {
        **found,
        "neurons/asked": neurons.asked,
        "neurons/explained": neurons.explained,
        "neurons/coverage": neurons.coverage,
    }


def _mean(values: NDArray[Any]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
