"""Neurons that fire on the same tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.terminal.progress import progress

NEIGHBOURS = 6
# A weaker correlation is no resemblance that a reader would see.
WEAKEST = 0.1

Key = tuple[int, int]


@dataclass(frozen=True)
class Neighbour:
    """Another neuron and the correlation of both activations on the `uniform` set."""

    neuron: Key
    correlation: float


def similar_neurons(
    keys: Sequence[Sequence[Key]],
    activations: Callable[[int], Float[Tensor, "n tokens"]],
    k: int = NEIGHBOURS,
) -> dict[Key, list[Neighbour]]:
    """Return the most correlated other neurons of each neuron, strongest first.

    Every pair of neurons is compared on every token; at most two blocks are held at once, so that
    memory does not grow with the number of neurons.

    Args:
        keys: (layer, neuron) of the neurons of each block.
        activations: gives the true activations of a block, in the order of its keys.
        k: how many at most.
    """
    flat = [key for block in keys for key in block]
    starts = [0]
    for block in keys:
        starts.append(starts[-1] + len(block))
    table = torch.zeros(len(flat), len(flat))
    pairs = len(keys) * (len(keys) + 1) // 2
    with progress(pairs, "similar neurons", "pairs of blocks") as bar:
        for first in range(len(keys)):
            one = _standardised(activations(first))
            rows = slice(starts[first], starts[first + 1])
            for second in range(first, len(keys)):
                other = one if second == first else _standardised(activations(second))
                columns = slice(starts[second], starts[second + 1])
                found = one @ other.T
                table[rows, columns] = found
                table[columns, rows] = found.T
                bar.update(1)
    table.fill_diagonal_(-torch.inf)
    best = table.topk(min(k, len(flat)), dim=1)
    return {
        key: [
            Neighbour(flat[place], min(1.0, value))
            for value, place in zip(values, places, strict=True)
            if value >= WEAKEST
        ]
        for key, values, places in zip(
            flat, best.values.tolist(), best.indices.tolist(), strict=True
        )
    }


def _standardised(values: Float[Tensor, "n tokens"]) -> Float[Tensor, "n tokens"]:
    """Centre and scale to length one, so that a product is a correlation; flat ones are 0."""
    values = values - values.mean(1, keepdim=True)
    length = values.norm(dim=1, keepdim=True)
    return torch.where(length > 0, values / length.clamp_min(1e-30), 0.0)
