"""Prune: an exemplar becomes the minimal example that still activates the neuron.

First whole sentences are cut off, one at a time, then single tokens; the end goes before the
start. What follows the activating token costs no question: a causal subject cannot see it, so the
end is always cut up to that token and the window around it. The start is cut as long as the drop
allows it, and the first cut that loses too much is taken back. All exemplars of a block are pruned
in lockstep: a wave asks about one cut of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from explainers.anchored import Anchored
from explainers.asking import Asking
from explainers.local_search.settings import Settings


@dataclass(frozen=True)
class Pruned:
    """What pruning left of each exemplar.

    Attributes:
        starts: position of the first token that is left, BOS apart, `[e]`.
        activations: the activation at the anchor in what is left, raw units, `[e]`.
    """

    starts: Int[np.ndarray, " e"]
    activations: Float[np.ndarray, " e"]


def prune(
    exemplars: Anchored,
    sentences: Bool[np.ndarray, "e ctx"],
    bos: int,
    asking: Asking,
    settings: Settings,
) -> Pruned:
    """Cut the start of every exemplar, sentence by sentence and then token by token.

    A cut stays if the activation drops by at most `max_drop` of the exemplar's own. Contexts are
    BOS and what is left, up to the anchor.

    Args:
        exemplars: where the neurons fire; the activations there are positive.
        sentences: True where a sentence begins.
        bos: the token that every context begins with.
        asking: the subject.
        settings: the thresholds.
    """
    anchors = exemplars.anchors
    last = np.maximum(anchors - settings.window, 1)
    next_sentence = _next_true(sentences)
    starts = np.ones(len(anchors), dtype=np.int64)
    activations = exemplars.activations.astype(np.float32, copy=True)
    by_token = np.zeros(len(anchors), dtype=bool)
    rows = np.arange(len(anchors))
    while len(rows):
        cut = np.where(by_token[rows], starts[rows] + 1, next_sentence[rows, starts[rows]])
        # What begins with a BOS is the same with one BOS only.
        inside = np.minimum(cut, exemplars.tokens.shape[1] - 1)
        cut = cut + (exemplars.tokens[rows, inside] == bos)
        possible = cut <= last[rows]
        done = ~possible & by_token[rows]
        by_token[rows[~possible]] = True
        asked, cut = rows[possible], cut[possible]
        contexts = [
            np.concatenate([[bos], exemplars.tokens[row, start : anchor + 1]])
            for row, start, anchor in zip(asked, cut, anchors[asked], strict=True)
        ]
        found = asking.of_lengths(contexts, exemplars.owners[asked])
        keeps = drop(found, exemplars.activations[asked]) <= settings.max_drop
        starts[asked[keeps]] = cut[keeps]
        activations[asked[keeps]] = found[keeps]
        lost = asked[~keeps]
        done[possible] = ~keeps & by_token[asked]
        by_token[lost] = True
        rows = rows[~done]
    return Pruned(starts, activations)


def drop(
    found: Float[np.ndarray, " m"], before: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """The part of a positive activation that is lost, negative where there is more than before."""
    return 1 - found.astype(np.float64) / before.astype(np.float64)


def _next_true(flags: Bool[np.ndarray, "e ctx"]) -> Int[np.ndarray, "e ctx"]:
    """For each position the first one after it that is True, or one that is beyond all."""
    n, length = flags.shape
    places = np.where(flags, np.arange(length), length)
    following = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([following[:, 1:], np.full((n, 1), length)], axis=1)
