"""N-grams of trees in a text: many trees, one after the other, over one text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from torch import Tensor

from explainers.context_tree.suffixes import Suffixes, find_suffixes
from explainers.context_tree.tree import TreeLevel

NOWHERE = -1


class Text:
    """A text to be simulated, its n-grams found once for all trees.

    An n-gram that the text holds many times is looked up once in each tree.
    """

    def __init__(self, tokens: Int[Tensor, "batch pos"], depth: int) -> None:
        """Find all n-grams of up to `depth` tokens."""
        self.suffixes: Suffixes = find_suffixes(tokens, depth)
        self._levels = [
            (level.parents.numpy(), level.tokens.numpy()) for level in self.suffixes.levels
        ]
        self._deepest = self.suffixes.deepest.numpy()

    def values(self, levels: Sequence[TreeLevel]) -> Int[np.ndarray, " positions"]:
        """Return the value of the longest n-gram that ends at each position; 0 where none does."""
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
        found.append(np.zeros(1, dtype=np.int32))  # for positions at which no n-gram ends: -1
        return np.take(np.concatenate(found), self._deepest)


def _children(
    level: TreeLevel, above: Int[np.ndarray, " n"], tokens: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Return the node of a level that a token leads to from each node above, or `NOWHERE`."""
    nodes = np.full(len(above), NOWHERE)
    width = int(level.tokens.max()) + 1
    known = np.flatnonzero((above != NOWHERE) & (tokens < width))
    wanted = above[known] * width + tokens[known]
    keys = level.parents * width + level.tokens
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    nodes[known] = np.where(keys[places] == wanted, places, NOWHERE)
    return nodes
