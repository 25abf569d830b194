"""The cosine of the angle between two vectors of activations, safe from overflow and underflow."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def cosine_of_angle(
    left: Float[Tensor, "n_neurons n_tokens"],
    right: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the cosine for each neuron, NaN where either vector is zero; float64 in and out."""
    left = _scaled(left)
    right = _scaled(right)
    # One root of the product, not two roots: equal vectors then give exactly 1.
    lengths = (left.square().sum(dim=1) * right.square().sum(dim=1)).sqrt()
    return ((left * right).sum(dim=1) / lengths).clamp(-1.0, 1.0)


def _scaled(values: Float[Tensor, "n_neurons n_tokens"]) -> Float[Tensor, "n_neurons n_tokens"]:
    """Return the values divided by their largest magnitude: no square over- or underflows."""
    return values / values.abs().amax(dim=1, keepdim=True)
