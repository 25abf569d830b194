"""Recall of the non-firing class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing
from metrics.recall import recall_of_counts


def recall_non_firing(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Share of the tokens that do not fire that were predicted not to: the specificity.

    c / quiet, in [0, 1]; higher is better. Quiet tokens are those below the neuron's threshold, c
    those that are quiet and were predicted to be. It is null (NaN) where every token fires. Shown
    only beside `f1_non_firing`: predicting that nothing ever fires scores 1.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), whose table reports it beside
    the firing class.
    """
    return recall_non_firing_of_counts(count_firing(truth, prediction, threshold))


def recall_non_firing_of_counts(counts: FiringCounts) -> Tensor:
    """Return the recall of the other class from counts of firing, of any shape."""
    return recall_of_counts(counts.of_non_firing())
