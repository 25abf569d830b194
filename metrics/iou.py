"""Intersection over union of the firing class."""

from __future__ import annotations

from torch import Tensor

from metrics.firing import CountMetric, FiringCounts


@CountMetric
def iou(counts: FiringCounts) -> Tensor:
    """Return the intersection over union of the firing tokens and those predicted to fire.

    hits / (fired + predicted - hits), in [0, 1], at the neuron's threshold; hits are tokens that
    fire and were predicted to. It is 0 where the prediction never fires, and null (NaN) where the
    truth never does.

    Source: one of the metrics of Oikarinen et al. 2025, "Evaluating Neuron Explanations: A
    Unified Framework with Sanity Checks" (arXiv 2506.05774).
    """
    return counts.null_if_never_fired(counts.hits / (counts.fired + counts.predicted - counts.hits))
