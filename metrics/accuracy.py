"""Accuracy of firing."""

from __future__ import annotations

from torch import Tensor

from metrics.firing import CountMetric, FiringCounts


@CountMetric
def accuracy(counts: FiringCounts) -> Tensor:
    """Return the share of the tokens on which truth and prediction agree about firing.

    (hits + correctly quiet) / tokens, in [0, 1]; higher is better. It is never null. Near 1 for any
    prediction of a neuron that fires rarely: it fails the sanity tests.

    Source: `sklearn.metrics.accuracy_score`, which it equals; one of the metrics of Oikarinen et
    al. 2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity Checks" (arXiv
    2506.05774).
    """
    return (counts.hits + counts.of_non_firing().hits) / counts.tokens
