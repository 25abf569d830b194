"""Balanced accuracy of firing."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing


def balanced_accuracy(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Return the mean of the recall of the firing and of the non-firing class, at the neuron's
    threshold.

    (hits / fired + correctly quiet / quiet) / 2, in [0, 1]; higher is better; a constant prediction
    scores 0.5. It is null (NaN) where the truth never fires or always does. Extra firing on a few
    of very many quiet tokens costs next to nothing: it fails the sanity tests.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `sklearn.metrics.balanced_accuracy_score`, which it equals; one of the metrics of
    Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity Checks"
    (arXiv 2506.05774).
    """
    return balanced_accuracy_of_counts(count_firing(truth, prediction, threshold))


def balanced_accuracy_of_counts(counts: FiringCounts) -> Tensor:
    """Return the balanced accuracy from counts of firing, of any shape."""
    quiet = counts.of_non_firing()
    scores = (counts.hits / counts.fired + quiet.hits / quiet.fired) / 2
    return quiet.null_if_never_fired(counts.null_if_never_fired(scores))
