"""F1 of the firing class."""

from __future__ import annotations

from torch import Tensor

from metrics.firing import CountMetric, FiringCounts


@CountMetric
def f1(counts: FiringCounts) -> Tensor:
    """Return the harmonic mean of precision and recall of firing at the neuron's threshold.

    2 hits / (fired + predicted), in [0, 1]; hits are tokens that fire and were predicted to. It
    is 0 where the prediction never fires, and null (NaN) where the truth never does.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), which reports it for the firing
    class.
    """
    return counts.null_if_never_fired(2 * counts.hits / (counts.fired + counts.predicted))
