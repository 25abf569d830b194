"""Precision of the non-firing class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing
from metrics.precision import precision_of_counts


def precision_non_firing(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Share of the tokens predicted not to fire that do not fire, at the neuron's threshold.

    c / predicted quiet, in [0, 1]; higher is better. Quiet tokens are those below the neuron's
    threshold, c those that are quiet and were predicted to be. It is 0 where every token is
    predicted to fire, and null (NaN) where every token fires. Shown only beside `f1_non_firing`.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), whose table reports it beside
    the firing class.
    """
    return precision_non_firing_of_counts(count_firing(truth, prediction, threshold))


def precision_non_firing_of_counts(counts: FiringCounts) -> Tensor:
    """Return the precision of the other class from counts of firing, of any shape."""
    return precision_of_counts(counts.of_non_firing())
