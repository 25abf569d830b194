"""Prune: the shortest left context of a pivot that keeps its activation.

Every length is tried, shortest first, one length for all pivots of all neurons of a block in
one wave: a pivot that is done asks no more. No order costs fewer tokens, because a causal
model tells nothing about a context that begins elsewhere, and what is longer than the answer is
never run. It costs one call for a length: a doubling window of lengths at a time would not save
any, as contexts of different length do not share an unpadded batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from explainers.anchors import Anchored, suffixes
from explainers.n2g.settings import Settings
from explainers.queries import SubjectQueries


@dataclass(frozen=True)
class Pruned:
    """What pruning found for each pivot.

    Attributes:
        lengths: tokens of the context, with the pivot and without BOS, `[e]`.
        activations: the activation in that context, raw units, `[e]`.
        accepted: False where no context up to the cutoff kept the activation, so that the whole
            one was kept, `[e]`.
    """

    lengths: Int[np.ndarray, " e"]
    activations: Float[np.ndarray, " e"]
    accepted: Bool[np.ndarray, " e"]

    def select(self, rows: Int[np.ndarray, " r"]) -> Pruned:
        """Return what was found for some of the pivots."""
        return Pruned(self.lengths[rows], self.activations[rows], self.accepted[rows])


def prune(exemplars: Anchored, bos: int, queries: SubjectQueries, settings: Settings) -> Pruned:
    """Find the shortest context of every pivot, which is the anchor of its row.

    A candidate is BOS and the last tokens up to the pivot, the pivot alone being the first. It
    is accepted only if its activation is at least `prune_threshold` of the exemplar's, and, with
    `pivot_leads`, if no other token of it has more. The whole context is not run: what the neuron
    does there is known.
    """
    whole = exemplars.anchors
    lengths = whole.copy()
    activations = exemplars.activations.astype(np.float32, copy=True)
    accepted = np.zeros(len(whole), dtype=bool)
    cutoff = int(whole.max(initial=0)) if settings.cutoff is None else settings.cutoff
    open_rows = np.arange(len(whole))
    for length in range(1, cutoff + 1):
        reached = whole[open_rows] == length
        # BOS and all tokens up to the anchor: the exemplar itself.
        accepted[open_rows[reached]] = True
        open_rows = open_rows[~reached & (whole[open_rows] > length)]
        if length % settings.length_step:
            continue
        # A candidate that begins with a BOS is the one before it with a second BOS.
        first = exemplars.tokens[open_rows, whole[open_rows] - length + 1]
        rows = open_rows[first != bos]
        if not len(open_rows):
            break
        candidates = suffixes(exemplars.tokens[rows], whole[rows], length, bos)
        if settings.pivot_leads:
            everywhere = queries.activations_everywhere(list(candidates), exemplars.owners[rows])
            inside = np.array(everywhere).reshape(candidates.shape)
            found = inside[:, -1]
            keeps = found >= np.where(candidates == bos, -np.inf, inside).max(1)
        else:
            found = queries.activations(candidates, exemplars.owners[rows])
            keeps = np.ones(len(rows), dtype=bool)
        keeps &= found >= settings.prune_threshold * exemplars.activations[rows]
        done = rows[keeps]
        lengths[done], activations[done], accepted[done] = length, found[keeps], True
        open_rows = np.setdiff1d(open_rows, done, assume_unique=True)
    return Pruned(lengths, activations, accepted)
