"""Levels of a context tree: n-grams with whole numbers as values, and their saved form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

Integers = Int[np.ndarray, " nodes"]


@dataclass(frozen=True, eq=False)
class TreeLevel:
    """The nodes of one level, ordered by parent, then by token.

    Attributes:
        parents: the parent of each node among those of the level above, `[nodes]`.
        tokens: the token before the parent's n-gram, `[nodes]`.
        values: the prediction after the n-gram, in steps above the root's value, `[nodes]`.
    """

    parents: Integers
    tokens: Integers
    values: Integers

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return len(self.parents)


def levels_to_lists(levels: Sequence[TreeLevel]) -> list[dict[str, list[int]]]:
    """Return each level as lists: how many children every node above has, tokens and values."""
    sizes = [1, *(level.size for level in levels)]
    return [
        {
            "children": np.bincount(level.parents, minlength=above).tolist(),
            "tokens": level.tokens.tolist(),
            "values": level.values.tolist(),
        }
        for level, above in zip(levels, sizes, strict=False)
    ]


def levels_from_lists(saved: Sequence[Mapping[str, Any]]) -> list[TreeLevel]:
    """Return the levels that `levels_to_lists` wrote.

    Raises:
        ValueError: the lists of a level do not belong together.
    """
    levels: list[TreeLevel] = []
    size_above = 1
    for depth, level in enumerate(saved, start=1):
        children, tokens, values = (
            np.array(level[name], dtype=np.int64) for name in ("children", "tokens", "values")
        )
        if len(children) != size_above or (children < 0).any():
            raise ValueError(f"level {depth} does not hang together with the one above")
        parents = np.repeat(np.arange(size_above), children)
        if not len(parents) == len(tokens) == len(values):
            raise ValueError(
                f"level {depth} has {len(parents)} nodes, {len(tokens)} tokens and "
                f"{len(values)} values"
            )
        levels.append(TreeLevel(parents, tokens, values))
        size_above = len(parents)
    return levels
