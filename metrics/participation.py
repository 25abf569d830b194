"""Effective number of tokens: how many tokens a neuron's correlation rests on."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from metrics.errors import MetricInputError


def effective_tokens(
    truth: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the participation ratio of the truth's squared deviations from its mean.

    (Σd²)² / Σd⁴ with d = truth - mean; between 1, where one token deviates alone, and the number
    of tokens, where all deviate alike. A Pearson correlation weighs tokens by their deviation, so
    one of a few effective tokens says little, however many tokens it was computed on. Null (NaN)
    where the truth is constant.

    Args:
        truth: true activations, any units.

    Returns:
        float64 `[n_neurons]`.

    Raises:
        MetricInputError: if there is no token.

    Source: the participation ratio, as in Bell and Dean 1970, "Atomic vibrations in vitreous
    silica" (Discussions of the Faraday Society 50), of weights d².
    """
    if truth.ndim != 2 or truth.shape[1] == 0:
        raise MetricInputError(
            f"truth has shape {list(truth.shape)}; expected [n_neurons, n_tokens] with a token."
        )
    found = torch.empty(len(truth), dtype=torch.float64)
    for row, activations in enumerate(truth.cpu().float().numpy()):
        values = activations.astype(np.float64)
        squares = (values - values.mean()) ** 2
        largest = squares.max()
        if values.min() == values.max() or largest == 0:
            found[row] = torch.nan
            continue
        squares /= largest
        found[row] = float(squares.sum() ** 2 / (squares**2).sum())
    return found
