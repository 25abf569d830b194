"""The tree of one neuron, with whole numbers as values, and the text that it is saved as."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from explainers.context_tree.rice import (
    BitReader,
    BitWriter,
    best_low_bits,
    unzigzag,
    zigzag,
)

Integers = Int[np.ndarray, " nodes"]
_BITS = 5  # a number of low bits is itself written with so many


@dataclass(frozen=True, eq=False)
class TreeLevel:
    """The nodes of one level, ordered by parent, then by token.

    Attributes:
        parents: the parent of each node among those of the level above, `[nodes]`.
        tokens: the token before the parent's run, `[nodes]`.
        values: what is predicted after the run, in steps above the root's value, `[nodes]`.
    """

    parents: Integers
    tokens: Integers
    values: Integers

    @property
    def size(self) -> int:
        """Number of nodes."""
        return len(self.parents)


def encode(levels: Sequence[TreeLevel]) -> str:
    """A tree in few letters that JSON writes as they are (base 85).

    Written are, in Rice's code: which nodes have children and how many, the tokens of siblings by
    their distances, and values by their distances from the parents'.
    """
    writer = BitWriter()
    sizes = np.array([level.size for level in levels], dtype=np.int64)
    _counted(writer, np.array([len(levels)]))
    _counted(writer, sizes)
    size_above = 1
    values_above = np.zeros(1, dtype=np.int64)
    for level in levels:
        children = np.bincount(level.parents, minlength=size_above)
        having = np.flatnonzero(children)
        _counted(writer, np.array([len(having)]))
        _counted(writer, np.diff(having, prepend=-1) - 1)
        _counted(writer, children[having] - 1)
        siblings = children[level.parents]
        # Siblings ascend, so from one to the next is a small step, and the first is one from -1.
        before = np.concatenate([[-1], level.tokens[:-1]])
        first = np.concatenate([[True], level.parents[1:] != level.parents[:-1]])
        steps = level.tokens - np.where(first, -1, before) - 1
        width = int(level.tokens.max()) + 1
        _counted(writer, np.array([width]))
        usual = _usual(width, siblings)
        shifts = range(-3, 3)
        costs = [_cost(steps, np.maximum(usual + shift, 0)) for shift in shifts]
        shift = shifts[int(np.argmin(costs))]
        writer.write(np.array([shift + 3]), _BITS)
        writer.write(steps, np.maximum(usual + shift, 0))
        _counted(writer, zigzag(level.values - values_above[level.parents]))
        size_above, values_above = level.size, level.values
    return base64.b85encode(writer.to_bytes()).decode("ascii")


def decode(code: str) -> list[TreeLevel]:
    """The tree that `encode` wrote.

    Raises:
        ValueError: it did not write this.
    """
    reader = BitReader(base64.b85decode(code))
    depth = int(_read(reader, 1)[0])
    sizes = _read(reader, depth)
    levels: list[TreeLevel] = []
    values_above = np.zeros(1, dtype=np.int64)
    for size in sizes.tolist():
        (n_having,) = _read(reader, 1)
        having = np.cumsum(_read(reader, n_having) + 1) - 1
        children = _read(reader, n_having) + 1
        if children.sum() != size or (n_having and having[-1] >= len(values_above)):
            raise ValueError("the tree's code does not fit together")
        parents = np.repeat(having, children)
        (width,) = _read(reader, 1)
        shift = int(reader.read(1, _BITS)[0]) - 3
        usual = _usual(int(width), np.repeat(children, children))
        total = np.cumsum(reader.read(size, np.maximum(usual + shift, 0)) + 1)
        firsts = np.cumsum(children) - children
        base = np.concatenate([[0], total])[firsts]
        tokens = total - np.repeat(base, children) - 1
        values = unzigzag(_read(reader, size)) + values_above[parents]
        levels.append(TreeLevel(parents, tokens, values))
        values_above = values
    return levels


def _counted(writer: BitWriter, numbers: Integers) -> None:
    """Numbers with the low bits that suit them best, and how many these are."""
    low = best_low_bits(numbers)
    writer.write(np.array([low]), _BITS)
    writer.write(numbers, low)


def _read(reader: BitReader, count: int) -> Integers:
    return reader.read(count, int(reader.read(1, _BITS)[0]))


def _usual(width: int, siblings: Integers) -> Integers:
    """Low bits for the steps between so many siblings if tokens were spread evenly."""
    return np.floor(np.log2(np.maximum(width / (siblings + 1), 1))).astype(np.int64)


def _cost(numbers: Integers, low: Integers) -> int:
    return int((numbers >> low).sum() + low.sum())
