"""Mean squared error."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.sums import Sums
from metrics.validation import check_arrays


def mse(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the mean squared error of the prediction, in squared raw units.

    mean((y - p)^2), at least 0 and without upper bound; lower is better. It is never null. Neurons
    differ in scale, so a mean of it over neurons is a mean over the largest ones: it fails the
    sanity tests.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `sklearn.metrics.mean_squared_error`, which it equals.
    """
    check_arrays(truth, prediction)
    return (truth.double() - prediction.double()).square().mean(dim=1)


def mse_of_sums(sums: Sums) -> Tensor:
    """Return the mean squared error from sums over tokens, of any shape."""
    return sums["squared error"] / sums["tokens"]
