"""Mean absolute error, normalised by the largest activation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.validation import check_arrays


def normalised_mae(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the mean absolute error as a share of the neuron's largest true activation.

    mean(|y - p|) / max(y), the maximum over the scored tokens; at least 0 and without upper bound;
    lower is better. Tokens that do not fire make up nearly all of it: it fails the sanity tests. It
    is null (NaN) where no scored activation is positive, whatever the prediction.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `sklearn.metrics.mean_absolute_error` divided by the largest activation.
    """
    check_arrays(truth, prediction)
    error = (truth.double() - prediction.double()).abs().mean(dim=1)
    largest = truth.double().amax(dim=1)
    return (error / largest).masked_fill(largest <= 0, torch.nan)
