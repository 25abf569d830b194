"""Explained absolute deviation as OpenAI's scorer defines it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.sums import Sums
from metrics.validation import check_arrays


def openai_absolute_dev_explained(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return OpenAI's `absolute_dev_explained`: the share of the truth's mean magnitude.

    1 - mean(|y - p|) / mean(|y|), at most 1 and without lower bound; higher is better. Zero
    everywhere gives 0. It is null (NaN) where the truth is zero everywhere, whatever the
    prediction.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: Bills et al. 2023, "Language models can explain neurons in language models", the
    `absolute_dev_explained` of its published scoring code.
    """
    check_arrays(truth, prediction)
    error = (truth.double() - prediction.double()).abs().mean(dim=1)
    explained = 1 - error / truth.double().abs().mean(dim=1)
    return explained.masked_fill(~truth.any(dim=1), torch.nan)


def openai_absolute_dev_explained_of_sums(sums: Sums) -> Tensor:
    """Return OpenAI's `absolute_dev_explained` from sums over tokens, of any shape."""
    explained = 1 - sums["absolute error"] / sums["magnitude"]
    return explained.masked_fill(sums["magnitude"] == 0, torch.nan)
