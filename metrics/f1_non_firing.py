"""F1 of the non-firing class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.f1 import f1_of_counts
from metrics.firing import FiringCounts, count_firing


def f1_non_firing(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Harmonic mean of precision and recall of the tokens that do not fire.

    2 c / (quiet + predicted quiet), in [0, 1]; higher is better. Quiet tokens are those below the
    neuron's threshold, c those that are quiet and were predicted to be. It is 0 where every token
    is predicted to fire, and null (NaN) where every token fires. Near 1 for any explanation of a
    neuron that fires rarely.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Foote et al. 2023, "Neuron to Graph" (arXiv 2305.19911), whose table reports it beside
    the firing class.
    """
    return f1_non_firing_of_counts(count_firing(truth, prediction, threshold))


def f1_non_firing_of_counts(counts: FiringCounts) -> Tensor:
    """Return the F1 of the other class from counts of firing, of any shape."""
    return f1_of_counts(counts.of_non_firing())
