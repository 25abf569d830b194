"""The saved form of a tree."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainers.context_tree.old_form import decode_tree
from explainers.context_tree.tree import TreeLevel, levels_from_lists, levels_to_lists

# Of an earlier version: two levels with the parents 0, 0, 0 and 0, 2, 2.
OLD_TREE = "0|QtP05KGZXTh8BhtyyO0RV};A)FEc&LQytfB"


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
    saved = json.loads(json.dumps(levels_to_lists(levels)))
    for one, other in zip(levels, levels_from_lists(saved), strict=True):
        for name in ("parents", "tokens", "values"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()


@pytest.mark.parametrize(
    ("level", "change"),
    [
        (0, {"children": [1]}),
        (0, {"children": [2, 0]}),
        (1, {"children": [-1, 2]}),
        (1, {"tokens": [3, 4]}),
        (1, {"values": []}),
    ],
)
def test_a_damaged_tree_is_refused(level, change):
    saved = [
        {"children": [2], "tokens": [5, 6], "values": [1, -1]},
        {"children": [0, 1], "tokens": [3], "values": [7]},
    ]
    assert [one.size for one in levels_from_lists(saved)] == [2, 1]
    saved[level] |= change
    with pytest.raises(ValueError, match=r"level [12] "):
        levels_from_lists(saved)


def test_a_tree_of_an_earlier_version_is_read():
    first, second = decode_tree(OLD_TREE)
    assert first.parents.tolist() == [0, 0, 0]
    assert first.tokens.tolist() == [3, 17, 400]
    assert first.values.tolist() == [5, -2, 40]
    assert second.parents.tolist() == [0, 2, 2]
    assert second.tokens.tolist() == [9, 0, 1000]
    assert second.values.tolist() == [6, 40, -1]


def test_an_old_tree_that_is_cut_short_is_refused():
    for length in range(0, len(OLD_TREE) - 5, 5):
        with pytest.raises(ValueError, match="tree's code"):
            decode_tree(OLD_TREE[:length])
