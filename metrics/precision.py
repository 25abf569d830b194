"""Precision of the firing class."""

from __future__ import annotations

from torch import Tensor

from metrics.firing import CountMetric, FiringCounts


@CountMetric
def precision(counts: FiringCounts) -> Tensor:
    """Return the share of the tokens predicted to fire that do fire, at the neuron's threshold.

    hits / predicted, in [0, 1]; hits are tokens that fire and were predicted to. It is 0 where the
    prediction never fires, and null (NaN) where the truth never does. Shown only beside F1: one
    sure hit scores 1.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), which reports it for the firing
    class.
    """
    return counts.null_if_never_fired(counts.hits / counts.predicted.clamp(min=1))
