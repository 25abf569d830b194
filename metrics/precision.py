"""Precision of the firing class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing


def precision(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Share of the tokens predicted to fire that do fire, at the neuron's threshold.

    hits / predicted, in [0, 1]; hits are tokens that fire and were predicted to. It is 0 where the
    prediction never fires, and null (NaN) where the truth never does. Shown only beside F1: one
    sure hit scores 1.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), which reports it for the firing
    class.
    """
    return precision_of_counts(count_firing(truth, prediction, threshold))


def precision_of_counts(counts: FiringCounts) -> Tensor:
    """Return the precision from counts of firing, of any shape."""
    return counts.null_if_never_fired(counts.hits / counts.predicted.clamp(min=1))
