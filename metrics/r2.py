"""Explained variance, centred."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.sums import Sums
from metrics.validation import check_arrays
from metrics.vectors import centred, is_constant


def r2(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the coefficient of determination: the share of the truth's variance that is explained.

    1 - sum((y - p)^2) / sum((y - mean y)^2), at most 1 and without lower bound; higher is better.
    Predicting the mean of the scored tokens gives 0, zero everywhere gives 0 or less. It is null
    (NaN) where the truth is constant, whatever the prediction. Not `openai_rsquared`, whose
    denominator is not centred.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `sklearn.metrics.r2_score`, which it equals.
    """
    check_arrays(truth, prediction)
    error = (truth.double() - prediction.double()).square().sum(dim=1)
    explained = 1 - error / centred(truth).square().sum(dim=1)
    return explained.masked_fill(is_constant(truth), torch.nan)


def r2_of_sums(sums: Sums) -> Tensor:
    """Return the share of the variance from sums over tokens, of any shape."""
    spread = sums["yy"] - sums["y"] ** 2 / sums["tokens"]
    return (1 - sums["squared error"] / spread).masked_fill(sums["y is constant"].bool(), torch.nan)
