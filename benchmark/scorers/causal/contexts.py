"""On which held-out contexts neurons are replaced."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import HeldOut, text_mask


def spread(rows: Int[Tensor, " n"], wanted: int) -> Int[Tensor, " w"]:
    """Return that many of the rows, evenly spread over them; all of them where there are fewer."""
    if len(rows) <= wanted:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, wanted).long()]


def firing_rows(
    truth: HeldOut, threshold: Float[Tensor, " n"], wanted: int
) -> list[Int[Tensor, " c"]]:
    """Return rows of `truth.tokens` on which each neuron fires, at most `wanted` of them,
    ascending.

    Of the uniformly drawn contexts, which stand for the whole split, an even part; where too few
    of these fire, the neuron's own strongest contexts that fire fill up, strongest first.
    """
    uniform = _fire(truth.uniform_activations, truth.tokens[truth.uniform], truth.bos, threshold)
    own = _fire(truth.top_activations, truth.tokens[truth.top], truth.bos, threshold)
    found = []
    for neuron in range(len(threshold)):
        drawn = spread(truth.uniform[uniform[neuron]], wanted)
        top = truth.top[neuron][own[neuron]]
        more = top[~torch.isin(top, drawn)][: wanted - len(drawn)]
        found.append(torch.cat([drawn, more]).sort().values)
    return found


def _fire(activations: Tensor, tokens: Tensor, bos: int, threshold: Tensor) -> Tensor:
    """Return whether each neuron fires in each context, `[n, c]`; BOS does not count."""
    fires = activations >= threshold[:, None, None]
    return (fires & text_mask(tokens, bos)).any(-1)
