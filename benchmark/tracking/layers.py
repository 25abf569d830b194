"""Numbers of a run that are logged as curves: means per layer, and over all neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.results import FAILED, MetricSummary, RunRecord, Scores
from benchmark.results.scores import COST_PREFIX, PEARSON_HIGH, PEARSON_LOW, is_flag


def layer_metrics(scores: Scores, layer: int) -> dict[str, float | int | None]:
    """Return means over the neurons of one layer, under the names of the scores' columns.

    A metric that cannot be computed for a neuron is left out of its mean; without any value the
    mean is None. `<scoring set>/undefined`, `calibration/clipped` and `failed` are counts,
    `neurons` is how many rows the layer has.
    """
    rows = scores.column("layer") == layer
    found: dict[str, float | int | None] = {
        "neurons": int(rows.sum()),
        "failed": int((scores.column("status")[rows] == FAILED).sum()),
    }
    for name in scores.columns:
        if "/" not in name or name.partition("/")[2] in (PEARSON_LOW, PEARSON_HIGH):
            continue  # ends of one neuron's interval have no mean
        values = scores.column(name)[rows]
        if is_flag(name):
            found[name] = int(values.sum())
        else:
            usable = values[~np.isnan(values)]
            found[name] = float(usable.mean()) if len(usable) else None
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
            if name.startswith(COST_PREFIX) or entry.median is not None:
                continue  # a mean cost has no interval, nor has a number of tokens
            found[f"{name}/low"], found[f"{name}/high"] = entry.low, entry.high
            found[f"{name}/n_null"] = entry.n_null
        else:
            found[name] = entry
    for name in scores.columns:
        if name.startswith(COST_PREFIX):
            values = scores.column(name)
            usable = values[~np.isnan(values)]
            found[name] = float(usable.mean()) if len(usable) else None
    neurons = record.neurons
    return {
        **found,
        "neurons/asked": neurons.asked,
        "neurons/explained": neurons.explained,
        "neurons/coverage": neurons.coverage,
    }
