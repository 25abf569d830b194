"""Trees as earlier versions saved them: Rice's code in base 85, read and no longer written.

A number is split into a quotient and `k` low bits (R. F. Rice, "Some practical universal noiseless
coding techniques", JPL 1979). All quotients of a list stand first, each as that many ones and a
zero, then all low bits.
"""

from __future__ import annotations

import base64

import numpy as np
from jaxtyping import Int

from explainers.context_tree.tree import TreeLevel

Integers = Int[np.ndarray, " n"]
_BITS = 5  # a number of low bits is itself written in this many


def decode_tree(code: str) -> list[TreeLevel]:
    """Return the levels of a tree that was saved in Rice's code.

    Raises:
        ValueError: the code is damaged.
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
        values = _unzigzag(_read(reader, size)) + values_above[parents]
        levels.append(TreeLevel(parents, tokens, values))
        values_above = values
    return levels


class BitReader:
    """Lists of whole numbers in Rice's code, read one after the other."""

    def __init__(self, data: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
        self._at = 0

    def read(self, count: int, low_bits: Integers | int) -> Integers:
        """Read the next numbers, each with its low bits.

        Raises:
            ValueError: there are fewer bits than that.
        """
        low = np.broadcast_to(np.asarray(low_bits, dtype=np.int64), (count,))
        if not count:
            return np.zeros(0, dtype=np.int64)
        zeros = np.flatnonzero(self._bits[self._at :] == 0)[:count]
        if len(zeros) < count:
            raise ValueError("the tree's code ends too early")
        quotients = np.diff(zeros, prepend=-1) - 1
        self._at += int(zeros[-1]) + 1
        numbers = quotients << low
        starts = self._at + np.cumsum(low) - low
        self._at = int(starts[-1] + low[-1])
        if self._at > len(self._bits):
            raise ValueError("the tree's code ends too early")
        for bit in range(int(low.max())):
            has = np.flatnonzero(low > bit)
            shift = low[has] - 1 - bit
            numbers[has] |= self._bits[starts[has] + bit].astype(np.int64) << shift
        return numbers


def _unzigzag(numbers: Integers) -> Integers:
    """Return numbers of either sign that were saved as 0, 1, 2, 3, 4 for 0, -1, 1, -2, 2."""
    return np.where(numbers & 1, -(numbers + 1) // 2, numbers // 2)


def _read(reader: BitReader, count: int) -> Integers:
    return reader.read(count, int(reader.read(1, _BITS)[0]))


def _usual(width: int, siblings: Integers) -> Integers:
    """Return the low bits that suit steps between siblings whose tokens are spread evenly."""
    return np.floor(np.log2(np.maximum(width / (siblings + 1), 1))).astype(np.int64)
