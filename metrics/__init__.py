"""Scores of a simulated neuron against the true one: pure functions, one number per neuron.

    scores = metrics.compute(["pearson", "f1"], truth, prediction, threshold)
    estimate = metrics.mean_over_neurons(scores["pearson"])

`METRICS` and `get` answer without loading torch; the arithmetic is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metrics.catalogue import METRICS, Metric, get, ranking_key
from metrics.errors import MetricInputError, UnknownMetricError, UnsoundMetricError

if TYPE_CHECKING:
    from metrics.aggregate import Estimate, mean_over_neurons
    from metrics.calibration import Calibration, fit_calibration
    from metrics.paired import PairedDifference, holm, paired_difference
    from metrics.participation import effective_tokens
    from metrics.replicates import Replicates, mean_over_neurons_and_documents
    from metrics.resampled import can_resample, draw_weights, resampled_scores
    from metrics.sanity import SanityResult, SanityScores, sanity_result, sanity_scores
    from metrics.scoring import compute
    from metrics.sums import Units
    from metrics.unit_bootstrap import percentiles, unit_intervals
    from metrics.vectors import undefined

__all__ = [
    "METRICS",
    "Calibration",
    "Estimate",
    "Metric",
    "MetricInputError",
    "PairedDifference",
    "Replicates",
    "SanityResult",
    "SanityScores",
    "Units",
    "UnknownMetricError",
    "UnsoundMetricError",
    "can_resample",
    "compute",
    "draw_weights",
    "effective_tokens",
    "fit_calibration",
    "get",
    "holm",
    "mean_over_neurons",
    "mean_over_neurons_and_documents",
    "paired_difference",
    "percentiles",
    "ranking_key",
    "resampled_scores",
    "sanity_result",
    "sanity_scores",
    "undefined",
    "unit_intervals",
]

# Loaded on first use.
_MODULES = {
    "metrics.aggregate": ("Estimate", "mean_over_neurons"),
    "metrics.calibration": ("Calibration", "fit_calibration"),
    "metrics.paired": ("PairedDifference", "holm", "paired_difference"),
    "metrics.participation": ("effective_tokens",),
    "metrics.replicates": ("Replicates", "mean_over_neurons_and_documents"),
    "metrics.resampled": ("can_resample", "draw_weights", "resampled_scores"),
    "metrics.sanity": ("SanityResult", "SanityScores", "sanity_result", "sanity_scores"),
    "metrics.scoring": ("compute",),
    "metrics.sums": ("Units",),
    "metrics.unit_bootstrap": ("percentiles", "unit_intervals"),
    "metrics.vectors": ("undefined",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'metrics' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
