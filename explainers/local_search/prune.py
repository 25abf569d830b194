"""Pruning: the minimal activating example in each exemplar."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from explainers.anchors import Anchored, suffixes
from explainers.local_search.settings import Settings
from explainers.queries import SubjectQueries


@dataclass(frozen=True)
class Pruned:
    """What pruning left of each exemplar.

    Attributes:
        starts: position of the first token that is left, BOS not counted, `[e]`.
        activations: the activation at the anchor in what is left, raw units, `[e]`.
    """

    starts: Int[np.ndarray, " e"]
    activations: Float[np.ndarray, " e"]


def prune(exemplars: Anchored, bos: int, queries: SubjectQueries, settings: Settings) -> Pruned:
    """Cut every exemplar to the shortest suffix that still activates the neuron.

    What follows the activating token costs no query: a causal subject cannot see it, so the end is
    always cut up to that token and the window around it. Of the contexts that end there, BOS and
    what is left, the shortest whose activation drops by at most `max_drop` of the exemplar's own
    is taken. Shorter ones are tried first: most examples are a few tokens long, and as a shorter
    context may activate where a longer one does not, none can be left out. All exemplars of a
    block are pruned in lockstep: a wave asks about one length of all.

    The report cuts off whole sentences and then single tokens. That ends at the same example
    unless it stops at a cut that loses too much although a further one would not.

    Args:
        exemplars: where the neurons fire; the activations there are positive.
        bos: the token that every context begins with.
        queries: the subject.
        settings: the thresholds.
    """
    anchors = exemplars.anchors
    starts = np.ones(len(anchors), dtype=np.int64)
    activations = exemplars.activations.astype(np.float32, copy=True)
    rows = np.arange(len(anchors))
    for length in itertools.count(1 + settings.window):
        # Where the whole context is no longer, there is nothing to cut.
        rows = rows[anchors[rows] > length]
        if not len(rows):
            break
        first = anchors[rows] + 1 - length
        # What begins with a BOS is the same with one BOS only, which was tried before.
        tried = rows[exemplars.tokens[rows, first] != bos]
        contexts = suffixes(exemplars.tokens[tried], anchors[tried], length, bos)
        found = queries.activations(contexts, exemplars.owners[tried])
        keeps = drop(found, exemplars.activations[tried]) <= settings.max_drop
        enough = tried[keeps]
        starts[enough] = anchors[enough] + 1 - length
        activations[enough] = found[keeps]
        rows = np.setdiff1d(rows, enough)
    return Pruned(starts, activations)


def drop(
    found: Float[np.ndarray, " m"], before: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Return the lost part of a positive activation, negative where there is more than before."""
    return 1 - found.astype(np.float64) / before.astype(np.float64)
