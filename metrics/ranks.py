"""Ranks of activations, shared by the metrics that look at order alone."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from metrics.sharing import shared


@shared
def sorted_tokens(
    values: Float[Tensor, "n_neurons n_tokens"],
) -> tuple[Float[Tensor, "n_neurons n_tokens"], Int[Tensor, "n_neurons n_tokens"]]:
    """Return each neuron's values from the smallest up, and the tokens they belong to."""
    ranked, order = values.sort(dim=1)
    return ranked, order


@shared
def average_ranks(
    values: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, "n_neurons n_tokens"]:
    """Rank of each token among its neuron's, 1 for the smallest, float64; ties share their mean.

    Equals `scipy.stats.rankdata(values, method="average", axis=1)`.
    """
    ranked, order = sorted_tokens(values)
    n_tokens = values.shape[1]
    place = torch.arange(n_tokens, device=values.device).expand_as(order)
    new = torch.ones_like(order, dtype=torch.bool)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    first = place.masked_fill(~new, 0).cummax(dim=1).values
    ends = torch.ones_like(new)
    ends[:, :-1] = new[:, 1:]
    last = place.masked_fill(~ends, n_tokens).flip(1).cummin(dim=1).values.flip(1)
    ranks = (first + last).double() / 2 + 1
    return torch.empty_like(ranks).scatter_(1, order, ranks)
