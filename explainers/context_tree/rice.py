"""Whole numbers in few bits: Rice's code, written and read without a loop over the numbers.

A number is split into a quotient and `k` low bits (R. F. Rice, "Some practical universal noiseless
coding techniques", JPL 1979). All quotients of a list are written first, as so many ones and a
zero, then all low bits: so that where each begins is known without reading those before it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

Integers = Int[np.ndarray, " n"]


class BitWriter:
    """Lists of numbers, one after the other."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def write(self, numbers: Integers, low_bits: Integers | int) -> None:
        """Add numbers of at least 0, each with so many low bits."""
        low = np.broadcast_to(np.asarray(low_bits, dtype=np.int64), numbers.shape)
        quotients = numbers >> low
        ends = np.cumsum(quotients + 1)
        unary = np.ones(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
        unary[ends - 1] = 0
        self._parts += [unary, _low_bits(numbers, low)]

    def to_bytes(self) -> bytes:
        """All lists, filled up with zeros to whole bytes."""
        return np.packbits(np.concatenate(self._parts)).tobytes() if self._parts else b""


class BitReader:
    """What a `BitWriter` wrote, in the same order."""

    def __init__(self, data: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
        self._at = 0

    def read(self, count: int, low_bits: Integers | int) -> Integers:
        """The next numbers.

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


def _low_bits(numbers: Integers, low: Integers) -> np.ndarray:
    """The low bits of every number, highest first, one number after the other."""
    starts = np.cumsum(low) - low
    bits = np.zeros(int(low.sum()), dtype=np.uint8)
    for bit in range(int(low.max()) if len(low) else 0):
        has = np.flatnonzero(low > bit)
        bits[starts[has] + bit] = (numbers[has] >> (low[has] - 1 - bit)) & 1
    return bits


def best_low_bits(numbers: Integers, most: int = 24) -> int:
    """The number of low bits, the same for all, that takes the least room."""
    sizes = [int((numbers >> low).sum()) + low * len(numbers) for low in range(most + 1)]
    return int(np.argmin(sizes))


def zigzag(numbers: Integers) -> Integers:
    """Numbers of either sign as numbers of at least 0: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4."""
    return np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)


def unzigzag(numbers: Integers) -> Integers:
    """The inverse of `zigzag`."""
    return np.where(numbers & 1, -(numbers + 1) // 2, numbers // 2)
