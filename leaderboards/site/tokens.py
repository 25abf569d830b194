"""Tokens on which neurons fire, the index of a search by token, and tokens that neurons raise."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.evidence import Block
from benchmark.subject import Subject
from benchmark.subject.direct_effects import DirectEffects, direct_effects

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


TOKENS = 10

logger = logging.getLogger(__name__)

Key = tuple[int, int]


@dataclass(frozen=True)
class Effects:
    """The direct effect of one neuron on the logits.

    Attributes:
        raised: token ids and by how much a unit of activation raises their logits, most first.
        lowered: the same of the tokens that it lowers most.
        cosine: of the neuron's output weights and the unembedding of the first raised token, which
            is the token that the neuron is most congruent with.
        partner: the neuron, of all layers, that this token is most congruent with.
    """

    raised: list[tuple[int, float]]
    lowered: list[tuple[int, float]]
    cosine: float
    partner: Key


def effects_of(subject: Subject, block: Block) -> list[Effects] | None:
    """Return the direct effects of a block's neurons; None where the subject has no known ones."""
    try:
        found = direct_effects(subject, block.layer, block.neurons, k=TOKENS)
    except BenchmarkError as error:
        logger.warning("pages show no direct effects: %s", error)
        return None
    return [_of_row(found, row) for row in range(len(block.neurons))]


def _of_row(found: DirectEffects, row: int) -> Effects:
    top = zip(found.top_tokens[row].tolist(), found.top_values[row].tolist(), strict=True)
    bottom = zip(found.bottom_tokens[row].tolist(), found.bottom_values[row].tolist(), strict=True)
    return Effects(
        list(top),
        list(bottom),
        float(found.cosine[row]),
        (int(found.partner_layers[row]), int(found.partner_neurons[row])),
    )
