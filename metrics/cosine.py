"""Cosine similarity."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.sums import Sums
from metrics.validation import check_arrays
from metrics.vectors import cosine_of_angle


def cosine(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the cosine of the angle between prediction and truth, neither of them centred.

    sum(y p) / sqrt(sum(y^2) sum(p^2)), in [-1, 1]. A prediction that is zero everywhere scores 0;
    where the truth is zero everywhere the score is null (NaN), whatever the prediction.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: one of the metrics of Oikarinen et al. 2025, "Evaluating Neuron Explanations: A
    Unified Framework with Sanity Checks" (arXiv 2506.05774).
    """
    check_arrays(truth, prediction)
    similarity = cosine_of_angle(truth.double(), prediction.double())
    similarity = similarity.masked_fill(~prediction.any(dim=1), 0.0)
    return similarity.masked_fill(~truth.any(dim=1), torch.nan)


def cosine_of_sums(sums: Sums) -> Tensor:
    """Return the cosine from sums over tokens, of any shape."""
    lengths = (sums["raw yy"] * sums["raw pp"]).sqrt()
    similarity = (sums["raw yp"] / lengths).clamp(-1.0, 1.0)
    similarity = similarity.masked_fill(sums["raw pp"] == 0, 0.0)
    return similarity.masked_fill(sums["raw yy"] == 0, torch.nan)
