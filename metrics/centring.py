"""Activations about their mean."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.sharing import shared


@shared
def centred(values: Float[Tensor, "n_neurons n_tokens"]) -> Float[Tensor, "n_neurons n_tokens"]:
    """Return the values minus their mean, in float64."""
    values = values.double()
    values = values - values.mean(dim=1, keepdim=True)
    # The mean of large values is rounded; what it left behind is small, and its mean exact enough.
    return values - values.mean(dim=1, keepdim=True)
