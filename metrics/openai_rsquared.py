"""Explained variance as OpenAI's scorer defines it: not centred."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.sums import Sums
from metrics.validation import check_arrays


def openai_rsquared(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return OpenAI's `rsquared`: the share of the truth's mean square, not of its variance.

    1 - mean((y - p)^2) / mean(y^2), at most 1 and without lower bound; higher is better. Zero
    everywhere gives 0, and predicting the mean gives more than 0: for the share of variance see
    `r2`. It is null (NaN) where the truth is zero everywhere, whatever the prediction.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Bills et al. 2023, "Language models can explain neurons in language models", the
    `rsquared` of its published scoring code.
    """
    check_arrays(truth, prediction)
    error = (truth.double() - prediction.double()).square().mean(dim=1)
    explained = 1 - error / truth.double().square().mean(dim=1)
    return explained.masked_fill(~truth.any(dim=1), torch.nan)


def openai_rsquared_of_sums(sums: Sums) -> Tensor:
    """Return OpenAI's `rsquared` from sums over tokens, of any shape."""
    explained = 1 - sums["squared error"] / sums["raw yy"]
    return explained.masked_fill(sums["raw yy"] == 0, torch.nan)
