"""Trackers: logs of runs outside of their files; `tracking=none` is the default."""

from benchmark.tracking.factory import make_tracker
from benchmark.tracking.tracker import (
    Extras,
    ExtraTable,
    MakeExtras,
    NoTracker,
    Tracker,
    layer_metrics,
    overall_metrics,
)

__all__ = [
    "ExtraTable",
    "Extras",
    "MakeExtras",
    "NoTracker",
    "Tracker",
    "layer_metrics",
    "make_tracker",
    "overall_metrics",
]
