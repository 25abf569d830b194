"""Neurons that fire on the same tokens.

All pairs of up to 4,096 neurons are compared on every token. Of more neurons, each is first reduced
to 4,096 sums of tokens drawn at random, with random signs (a count sketch), whose products estimate
correlations to within some .02; so every activation is read once, and memory and time do not grow
with the text.

Source: Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams".
"""

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
MOST_COMPARED_EXACTLY = 4096
SUMS = 4096
ROWS_AT_ONCE = 512

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

    At most two blocks are held at once; of more than `MOST_COMPARED_EXACTLY` neurons one, and the
    sums of all.

    Args:
        keys: (layer, neuron) of the neurons of each block.
        activations: gives the true activations of a block, in the order of its keys.
        k: how many at most.
    """
    flat = [key for block in keys for key in block]
    exact = len(flat) <= MOST_COMPARED_EXACTLY
    values, places = (_compared if exact else _estimated)(keys, activations, min(k, len(flat)))
    return {
        key: [
            Neighbour(flat[place], min(1.0, value))
            for value, place in zip(found, there, strict=True)
            if value >= WEAKEST
        ]
        for key, found, there in zip(flat, values.tolist(), places.tolist(), strict=True)
    }


Best = tuple[Float[Tensor, "n k"], Tensor]


def _compared(
    keys: Sequence[Sequence[Key]], activations: Callable[[int], Float[Tensor, "n tokens"]], k: int
) -> Best:
    """Return the largest correlations of each neuron and their places, over every token."""
    starts = [0]
    for block in keys:
        starts.append(starts[-1] + len(block))
    table = torch.zeros(starts[-1], starts[-1])
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
    best = table.topk(k, dim=1)
    return best.values, best.indices


def _estimated(
    keys: Sequence[Sequence[Key]], activations: Callable[[int], Float[Tensor, "n tokens"]], k: int
) -> Best:
    """Return the largest correlations of each neuron and their places, estimated from sums."""
    n = sum(map(len, keys))
    sums = torch.zeros(n, SUMS)
    values, places = torch.zeros(n, k), torch.zeros(n, k, dtype=torch.long)
    with progress(2 * n, "similar neurons", "neurons") as bar:
        start = 0
        for block in range(len(keys)):
            one = _standardised(activations(block))
            place, sign = _drawn(one.shape[1])
            sums[start : start + len(one)].index_add_(1, place, one * sign)
            start += len(one)
            bar.update(len(one))
        sums /= sums.norm(dim=1, keepdim=True).clamp_min(1e-30)
        for rows in torch.arange(n).split(ROWS_AT_ONCE):
            found = sums[rows] @ sums.T
            found[torch.arange(len(rows)), rows] = -torch.inf
            best = found.topk(k, dim=1)
            values[rows], places[rows] = best.values, best.indices
            bar.update(len(rows))
    return values, places


def _drawn(n_tokens: int) -> tuple[Tensor, Float[Tensor, " tokens"]]:
    """Return the sum that each token counts to, and its sign; the same every time."""
    generator = torch.Generator().manual_seed(0)
    place = torch.randint(SUMS, (n_tokens,), generator=generator)
    sign = torch.randint(2, (n_tokens,), generator=generator) * 2.0 - 1.0
    return place, sign


def _standardised(values: Float[Tensor, "n tokens"]) -> Float[Tensor, "n tokens"]:
    """Centre and scale to length one, so that a product is a correlation; flat ones are 0."""
    values = values - values.mean(1, keepdim=True)
    length = values.norm(dim=1, keepdim=True)
    return torch.where(length > 0, values / length.clamp_min(1e-30), 0.0)
