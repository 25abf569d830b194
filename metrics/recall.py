"""Recall of the firing class."""

from __future__ import annotations

from torch import Tensor

from metrics.firing import CountMetric, FiringCounts


@CountMetric
def recall(counts: FiringCounts) -> Tensor:
    """Return the share of the firing tokens that were predicted to fire, at the neuron's threshold.

    hits / fired, in [0, 1]; hits are tokens that fire and were predicted to. It is null (NaN)
    where the truth never fires. Shown only beside F1: predicting that every token fires scores 1.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), which reports it for the firing
    class.
    """
    return counts.null_if_never_fired(counts.hits / counts.fired)
