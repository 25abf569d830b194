"""Tokens on which neurons fire, the index of a search by token."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Tokens kept of each neuron, those with the largest sum of firing activations.
KEPT = 40


@dataclass(frozen=True)
class FiredToken:
    """A token that makes a neuron fire on the `uniform` set.

    Attributes:
        token: its id.
        count: how often the neuron fired on it.
        seen: how often the token occurs there.
        mean: mean activation where the neuron fired on it, raw units.
    """

    token: int
    count: int
    seen: int
    mean: float


def fired_tokens(
    truth: Float[Tensor, "n tokens"],
    fires: Bool[Tensor, "n tokens"],
    tokens: Int[Tensor, " tokens"],
    kept: int = KEPT,
) -> list[list[FiredToken]]:
    """Return each neuron's tokens, the one with the largest sum of firing activations first."""
    ids, which = np.unique(tokens.numpy(), return_inverse=True)
    occurrences = np.bincount(which, minlength=len(ids))
    neuron, place = np.nonzero(fires.numpy())
    cell = neuron * len(ids) + which[place]
    cells, inverse = np.unique(cell, return_inverse=True)
    counts = np.bincount(inverse, minlength=len(cells))
    sums = np.bincount(inverse, weights=truth.numpy()[neuron, place], minlength=len(cells))
    owners, columns = cells // len(ids), cells % len(ids)
    order = np.lexsort((-sums, owners))
    starts = np.searchsorted(owners[order], np.arange(len(truth) + 1))
    return [
        [
            FiredToken(
                int(ids[columns[at]]),
                int(counts[at]),
                int(occurrences[columns[at]]),
                float(sums[at] / counts[at]),
            )
            for at in order[first : min(first + kept, last)]
        ]
        for first, last in itertools.pairwise(starts.tolist())
    ]
