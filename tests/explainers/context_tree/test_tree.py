"""The code that a tree is saved as."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainers.context_tree.rice import BitReader, BitWriter, best_low_bits, unzigzag, zigzag
from explainers.context_tree.tree import TreeLevel, decode, encode

numbers = st.lists(st.integers(0, 3000), max_size=40)


def slow_rice(values, low_bits):
    """Rice's code one bit at a time: all quotients, then all low bits."""
    pairs = list(zip(values, low_bits, strict=True))
    quotients = "".join("1" * (value >> low) + "0" for value, low in pairs)
    return quotients + "".join(
        format(value & ((1 << low) - 1), f"0{low}b") for value, low in pairs if low
    )


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 9)), max_size=30))
def test_rice_is_written_bit_by_bit(pairs):
    values, low = [value for value, _ in pairs], [bits for _, bits in pairs]
    writer = BitWriter()
    writer.write(np.array(values, dtype=np.int64), np.array(low, dtype=np.int64))
    bits = slow_rice(values, low)
    bits += "0" * (-len(bits) % 8)
    written = "".join(format(byte, "08b") for byte in writer.to_bytes())
    assert written == bits


@given(st.lists(st.tuples(numbers, st.integers(0, 12)), max_size=4))
def test_what_is_written_is_read(lists):
    writer = BitWriter()
    for values, low in lists:
        writer.write(np.array(values, dtype=np.int64), low)
    reader = BitReader(writer.to_bytes())
    for values, low in lists:
        assert reader.read(len(values), low).tolist() == values


@given(numbers.filter(bool))
def test_the_best_low_bits_take_the_least_room(values):
    array = np.array(values, dtype=np.int64)
    sizes = [len(slow_rice(values, [low] * len(values))) for low in range(25)]
    assert sizes[best_low_bits(array)] == min(sizes)


@given(st.lists(st.integers(-1000, 1000)))
def test_numbers_of_either_sign(values):
    array = np.array(values, dtype=np.int64)
    assert (zigzag(array) >= 0).all()
    assert unzigzag(zigzag(array)).tolist() == values


@st.composite
def trees(draw):
    """Levels as `TreeLevel` has them: ordered by parent, then token, no pair twice."""
    levels, above = [], 1
    for _ in range(draw(st.integers(0, 4))):
        pairs = draw(
            st.sets(
                st.tuples(st.integers(0, above - 1), st.integers(0, 600)), min_size=1, max_size=15
            )
        )
        parents, tokens = np.array(sorted(pairs), dtype=np.int64).T
        values = draw(st.lists(st.integers(-400, 4000), min_size=len(pairs), max_size=len(pairs)))
        levels.append(TreeLevel(parents, tokens, np.array(values, dtype=np.int64)))
        above = len(pairs)
    return levels


@given(trees())
def test_a_tree_is_read_as_it_was_written(levels):
    code = encode(levels)
    assert len(json.dumps(code)) == len(code) + 2  # no letter that JSON would escape
    for one, other in zip(levels, decode(code), strict=True):
        for name in ("parents", "tokens", "values"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()


def test_a_code_that_is_cut_short_is_refused():
    parents = np.zeros(50, dtype=np.int64)
    level = TreeLevel(parents, np.arange(50) * 7, np.arange(50) % 11)
    code = encode([level])
    for length in range(0, len(code) - 5, 5):
        with pytest.raises(ValueError, match="tree's code"):
            decode(code[:length])
