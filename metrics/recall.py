"""Recall of the firing class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing


def recall(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Share of the firing tokens that were predicted to fire, at the neuron's threshold.

    hits / fired, in [0, 1]; hits are tokens that fire and were predicted to. It is null (NaN)
    where the truth never fires. Shown only beside F1: predicting that every token fires scores 1.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), which reports it for the firing
    class.
    """
    return recall_of_counts(count_firing(truth, prediction, threshold))


def recall_of_counts(counts: FiringCounts) -> Tensor:
    """Return the recall from counts of firing, of any shape."""
    return counts.null_if_never_fired(counts.hits / counts.fired)
