"""Pearson correlation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.sums import Sums
from metrics.validation import check_arrays
from metrics.vectors import centred, cosine_of_angle, is_constant


def pearson(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the Pearson correlation of prediction and truth over all tokens pooled.

    sum((y - mean y)(p - mean p)) / sqrt(sum((y - mean y)^2) sum((p - mean p)^2)), in [-1, 1].
    A constant prediction scores 0 (and is counted by `metrics.undefined`); where the truth is
    constant the score is null (NaN), whatever the prediction.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: the headline score of Bills et al. 2023, "Language models can explain neurons in
    language models", there over the concatenated tokens of all scored sequences.
    """
    check_arrays(truth, prediction)
    correlation = cosine_of_angle(centred(truth), centred(prediction))
    correlation = correlation.masked_fill(is_constant(prediction), 0.0)
    return correlation.masked_fill(is_constant(truth), torch.nan)


def pearson_of_sums(sums: Sums) -> Tensor:
    """Return the correlation from sums over tokens, of any shape."""
    n = sums["tokens"]
    spread_y = (sums["yy"] - sums["y"] ** 2 / n).clamp_min(0)
    spread_p = (sums["pp"] - sums["p"] ** 2 / n).clamp_min(0)
    together = sums["yp"] - sums["y"] * sums["p"] / n
    correlation = (together / (spread_y * spread_p).sqrt()).clamp(-1.0, 1.0)
    correlation = correlation.masked_fill(sums["p is constant"].bool(), 0.0)
    return correlation.masked_fill(sums["y is constant"].bool(), torch.nan)
