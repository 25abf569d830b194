"""Accuracy of firing."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing


def accuracy(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Share of the tokens on which truth and prediction agree about firing, at the threshold.

    (hits + correctly quiet) / tokens, in [0, 1]; higher is better. It is never null. Near 1 for any
    prediction of a neuron that fires rarely: it fails the sanity tests.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `sklearn.metrics.accuracy_score`, which it equals; one of the metrics of Oikarinen et
    al. 2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity Checks" (arXiv
    2506.05774).
    """
    return accuracy_of_counts(count_firing(truth, prediction, threshold))


def accuracy_of_counts(counts: FiringCounts) -> Tensor:
    """Return the accuracy from counts of firing, of any shape."""
    return (counts.hits + counts.of_non_firing().hits) / counts.tokens
