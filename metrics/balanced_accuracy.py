"""Balanced accuracy of firing."""

from __future__ import annotations

from torch import Tensor

from metrics.firing import CountMetric, FiringCounts


@CountMetric
def balanced_accuracy(counts: FiringCounts) -> Tensor:
    """Return the mean recall of the firing and the non-firing class, at the neuron's threshold.

    (hits / fired + correctly quiet / quiet) / 2, in [0, 1]; higher is better; a constant prediction
    scores 0.5. It is null (NaN) where the truth never fires or always does. Extra firing on a few
    of very many quiet tokens costs next to nothing: it fails the sanity tests.

    Source: `sklearn.metrics.balanced_accuracy_score`, which it equals; one of the metrics of
    Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity Checks"
    (arXiv 2506.05774).
    """
    quiet = counts.of_non_firing()
    scores = (counts.hits / counts.fired + quiet.hits / quiet.fired) / 2
    return quiet.null_if_never_fired(counts.null_if_never_fired(scores))
