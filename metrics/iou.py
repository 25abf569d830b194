"""Intersection over union of the firing class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing


def iou(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Return the intersection over union of the firing tokens and those predicted to fire.

    hits / (fired + predicted - hits), in [0, 1], at the neuron's threshold; hits are tokens that
    fire and were predicted to. It is 0 where the prediction never fires, and null (NaN) where the
    truth never does.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: one of the metrics of Oikarinen et al. 2025, "Evaluating Neuron Explanations: A
    Unified Framework with Sanity Checks" (arXiv 2506.05774).
    """
    return iou_of_counts(count_firing(truth, prediction, threshold))


def iou_of_counts(counts: FiringCounts) -> Tensor:
    """Return the intersection over union from counts of firing, of any shape."""
    return counts.null_if_never_fired(counts.hits / (counts.fired + counts.predicted - counts.hits))
