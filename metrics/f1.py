"""F1 of the firing class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import FiringCounts, count_firing


def f1(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Return the harmonic mean of precision and recall of firing at the neuron's threshold.

    2 hits / (fired + predicted), in [0, 1]; hits are tokens that fire and were predicted to. It
    is 0 where the prediction never fires, and null (NaN) where the truth never does.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), which reports it for the firing
    class.
    """
    return f1_of_counts(count_firing(truth, prediction, threshold))


def f1_of_counts(counts: FiringCounts) -> Tensor:
    """Return F1 from counts of firing, of any shape."""
    return counts.null_if_never_fired(2 * counts.hits / (counts.fired + counts.predicted))
