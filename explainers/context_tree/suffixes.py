"""Suffix tree of contexts: every n-gram that ends at a position, for all neurons."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Level:
    """All n-grams of one length, ordered by what follows the earliest token, then by that token.

    Attributes:
        parents: the n-gram without its earliest token, as a node of the level above, `[nodes]`.
        tokens: the earliest token of each n-gram, `[nodes]`.
        places: positions (`row * pos + column`) at which an n-gram of this length ends, ascending,
            `[p]`.
        nodes: the node of each of these, `[p]`.
    """

    parents: Int[Tensor, " nodes"]
    tokens: Int[Tensor, " nodes"]
    places: Int[Tensor, " p"]
    nodes: Int[Tensor, " p"]

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return len(self.parents)


@dataclass(frozen=True)
class Suffixes:
    """Every n-gram of some contexts up to a length, level by level.

    The root, the empty n-gram, is no level: the parents of the first one are all 0.

    Attributes:
        levels: n-grams of one token, of two, and so on; fewer than asked for where none is as long.
        deepest: the longest n-gram that ends at each position, as a node counted through all
            levels, or -1, `[batch * pos]`.
    """

    levels: list[Level]
    deepest: Int[Tensor, " positions"]

    @property
    def parts(self) -> list[slice]:
        """Return the nodes of each level when nodes are counted through all levels."""
        ends = [0]
        for level in self.levels:
            ends.append(ends[-1] + level.size)
        return [slice(start, end) for start, end in pairwise(ends)]

    @property
    def size(self) -> int:
        """Return the number of nodes of all levels."""
        return sum(level.size for level in self.levels)


def find_suffixes(
    tokens: Int[Tensor, "batch pos"],
    depth: int,
    ends: Bool[Tensor, "batch pos"] | None = None,
    *,
    beyond_one: bool = True,
) -> Suffixes:
    """Find the n-grams of up to `depth` tokens that end at a position of the contexts.

    No n-gram reaches beyond the start of its context. Every level is one sort of the pairs of a
    node of the level above and the token before its n-gram.

    Args:
        tokens: token ids, `[batch, pos]`.
        depth: tokens in the longest n-gram.
        ends: positions at which n-grams end; without it all of them.
        beyond_one: whether an n-gram that ends at one position only is followed further back, where
            it can say nothing that it does not say already.
    """
    flat, length = tokens.reshape(-1), tokens.shape[1]
    places = torch.arange(len(flat)) if ends is None else ends.reshape(-1).nonzero()[:, 0]
    column = places % max(1, length)
    nodes = torch.zeros_like(places)
    deepest = torch.full_like(flat, -1)
    width = int(flat.max()) + 1 if len(flat) else 1
    levels: list[Level] = []
    start = 0
    for distance in range(depth):
        inside = column >= distance
        places, nodes, column = places[inside], nodes[inside], column[inside]
        if not len(places):
            break
        pairs, nodes = torch.unique(nodes * width + flat[places - distance], return_inverse=True)
        parents = torch.div(pairs, width, rounding_mode="floor")
        levels.append(Level(parents, pairs % width, places, nodes))
        deepest[places] = start + nodes
        start += len(pairs)
        if not beyond_one:
            several = torch.bincount(nodes, minlength=len(pairs))[nodes] > 1
            places, nodes, column = places[several], nodes[several], column[several]
    return Suffixes(levels, deepest)
