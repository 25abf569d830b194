"""Pseudo-random numbers that depend on a text's tokens alone, for whole batches at once.

64-bit integers wrap around in torch as in the sources of these functions.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BITS = 1 << 64
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_GOLDEN = 0x9E3779B97F4A7C15
_UNIFORM_BITS = 24  # all that float32 holds between 0 and 1


def prefix_hashes(tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """Hash the tokens from the context's start up to each position.

    Every (token, position) is hashed and the hashes are summed up along the context: unlike a
    hash of a hash this needs no loop over positions, and the position keeps the order of tokens.
    """
    positions = torch.arange(tokens.shape[1], device=tokens.device)
    placed = mix(mix(tokens.long() * _signed(_GOLDEN) + 1) + positions)
    return mix(placed.cumsum(1))


def key_of(*numbers: int) -> int:
    """Return a hash of a few integers, as a signed 64-bit number."""
    key = 0
    for number in numbers:
        start = torch.tensor([_signed((key + _GOLDEN * (number + 1)) % _BITS)])
        key = int(mix(start)) % _BITS
    return _signed(key)


def uniform(hashes: Int[Tensor, "*shape"], keys: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return numbers in [0, 1), exact in float32, from hashes under a key; shapes broadcast."""
    return _shifted(mix(hashes ^ keys), 64 - _UNIFORM_BITS).float() / (1 << _UNIFORM_BITS)


def mix(numbers: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Mix bits by SplitMix64's finaliser (Steele, Lea and Flood 2014), a bijection."""
    numbers = (numbers ^ _shifted(numbers, 30)) * _signed(_MULTIPLIERS[0])
    numbers = (numbers ^ _shifted(numbers, 27)) * _signed(_MULTIPLIERS[1])
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    # torch repeats the sign bit when it shifts to the right; here zeros come in.
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    return number - _BITS if number >= _BITS // 2 else number
