"""Anchored exemplars of a block: contexts, and the position where a neuron fires strongest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from benchmark.interface import Exemplars


@dataclass(frozen=True)
class Anchored:
    """The exemplars of a block that are looked at, one row for each.

    Attributes:
        owners: row of the neuron in the block, `[e]`.
        tokens: the whole context, BOS first, `[e, ctx]`.
        anchors: position of the activating token, at least 1, `[e]`.
        activations: the true activation there, raw units, `[e]`.
    """

    owners: Int[np.ndarray, " e"]
    tokens: Int[np.ndarray, "e ctx"]
    anchors: Int[np.ndarray, " e"]
    activations: Float[np.ndarray, " e"]

    def select(self, rows: Int[np.ndarray, " r"]) -> Anchored:
        """Return some of the exemplars."""
        return Anchored(
            self.owners[rows], self.tokens[rows], self.anchors[rows], self.activations[rows]
        )


def anchored(exemplars: Exemplars) -> Anchored:
    """Return a block's exemplars, one row for each, neuron by neuron."""
    n, k, ctx = exemplars.tokens.shape
    tokens = exemplars.tokens.cpu().numpy().reshape(n * k, ctx)
    anchors = exemplars.anchors.cpu().numpy().reshape(-1)
    activations = exemplars.activations.float().cpu().numpy().reshape(n * k, ctx)
    at_anchor = activations[np.arange(n * k), anchors]
    return Anchored(np.repeat(np.arange(n), k), tokens, anchors, at_anchor)


def firing(exemplars: Anchored, maxima: Float[np.ndarray, " n"], threshold: float) -> Anchored:
    """Return the exemplars above the threshold; others could not enter the trie.

    Pruning an exemplar below it costs the most and would give nothing.
    """
    maximum = maxima[exemplars.owners]
    above = exemplars.activations.astype(np.float64) > threshold * maximum.astype(np.float64)
    return exemplars.select(np.flatnonzero(above & (maximum > 0) & (exemplars.anchors > 0)))


def suffixes(
    tokens: Int[np.ndarray, "e ctx"], anchors: Int[np.ndarray, " e"], length: int, bos: int
) -> Int[np.ndarray, "e pos"]:
    """Return BOS and the last `length` tokens up to each anchor, `[e, length + 1]`."""
    places = anchors[:, None] + np.arange(1 - length, 1)
    taken = np.take_along_axis(tokens, places, axis=1)
    start = np.full((len(tokens), 1), bos, dtype=taken.dtype)
    return np.concatenate([start, taken], axis=1)
