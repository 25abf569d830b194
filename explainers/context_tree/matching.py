"""Where the runs of a tree end in a text: of many trees, one after the other, over one text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from torch import Tensor

from explainers.context_tree.shape import Shape, build_shape
from explainers.context_tree.tree import TreeLevel

NOWHERE = -1


class Text:
    """A text to be simulated, its runs of tokens found once for all trees.

    A run that the text holds many times is looked up once in each tree.
    """

    def __init__(self, tokens: Int[Tensor, "batch pos"], depth: int) -> None:
        """Find all runs of up to `depth` tokens."""
        self.shape: Shape = build_shape(tokens, depth)
        self._levels = [
            (level.parents.numpy(), level.tokens.numpy()) for level in self.shape.levels
        ]
        self._deepest = self.shape.deepest.numpy()

    def values(self, levels: Sequence[TreeLevel]) -> Int[np.ndarray, " positions"]:
        """The value of the longest run of a tree that ends at each position; 0 where none does."""
        at, value = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int32)
        found: list[Int[np.ndarray, " nodes"]] = []
        for depth, (parents, tokens) in enumerate(self._levels):
            value = value[parents]
            if depth < len(levels):
                at = _children(levels[depth], at[parents], tokens)
                hits = np.flatnonzero(at != NOWHERE)
                value[hits] = levels[depth].values[at[hits]]
            found.append(value)
        if not found:
            return np.zeros(len(self._deepest), dtype=np.int32)
        found.append(np.zeros(1, dtype=np.int32))  # for positions at which no run ends: -1
        return np.take(np.concatenate(found), self._deepest)


def _children(
    level: TreeLevel, above: Int[np.ndarray, " n"], tokens: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """The node of a level that a token leads to from each node above, or `NOWHERE`."""
    nodes = np.full(len(above), NOWHERE)
    width = int(level.tokens.max()) + 1
    there = np.flatnonzero((above != NOWHERE) & (tokens < width))
    asked = above[there] * width + tokens[there]
    keys = level.parents * width + level.tokens
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    nodes[there] = np.where(keys[places] == asked, places, NOWHERE)
    return nodes
