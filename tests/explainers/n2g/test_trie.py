"""Paths keep what is required, combine what they share, and never fire everywhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from explainers.n2g.examples import Example, Value
from explainers.n2g.explanation import N2GExplanation
from explainers.n2g.settings import Settings
from explainers.n2g.trie import ANY, Path, build_paths

BOS = 0


def example(tokens, importances, activation=1.0, count=1, **rest):
    weights = np.array([rest.pop("start", 0.0), *importances, 1.0], dtype=np.float32)
    first = rest.pop("exemplar", 0)
    values = [Value(first + number, 1, 0, 1, activation) for number in range(count)]
    return Example(0, np.array([BOS, *tokens]), activation, values, False, weights, **rest)


def paths(*examples, **settings):
    return build_paths(examples, Settings(**settings))


def tokens_of(found):
    return [path.tokens for path in found]


def test_important_tokens_are_literal_and_others_match_anything():
    found = paths(example([5, 6, 7, 8], [0.1, 0.9, 0.2]))
    assert tokens_of(found) == [(8, ANY, 6)]
    assert found[0].importances == (1.0, 0.0, 0.9)


def test_the_threshold_is_strict_and_configurable():
    assert tokens_of(paths(example([5, 8], [0.75]))) == [(8,)]
    assert tokens_of(paths(example([5, 8], [0.75]), importance_threshold=0.7)) == [(8, 5)]


def test_an_example_that_never_enters_makes_no_path():
    assert paths(example([5], [], count=0)) == ()
    assert len(paths(example([5], [], count=1))) == 1


def test_an_important_start_ends_the_path():
    assert tokens_of(paths(example([5, 8], [0.0], start=1.0))) == [(8, ANY, BOS)]


def test_substituted_tokens_are_literal_however_important():
    assert tokens_of(paths(example([5, 8], [0.1], substituted=(1,)))) == [(8, 5)]


@pytest.mark.parametrize(("combine", "expected"), [("mean", 0.7), ("max", 1.0), ("first", 0.6)])
def test_activations_at_one_path_combine_whatever_their_order(combine, expected):
    """In public code the first one stored wins over later ones."""
    seen = [
        example([4, 8], [0.0], activation=0.6, count=3, exemplar=2),
        example([5, 8], [0.0], activation=1.0, count=1, exemplar=9),
    ]
    for order in itertools.permutations(seen):
        (found,) = paths(*order, combine=combine)
        assert found.activation == pytest.approx(expected)
        assert found.count == 4


def test_different_tokens_are_never_merged():
    """Public code normalised the tokens' text, which merged different tokens."""
    assert len(paths(example([5], []), example([6], []))) == 2


def fires(found, *contexts):
    one = N2GExplanation(1.0, tuple(found))
    return [bool(one.simulate(torch.tensor([context]))[0, -1]) for context in contexts]


def test_a_wildcard_drops_no_required_token():
    """Public code, taught "A b c", fired on "A W c"."""
    found = paths(example([11, 2, 3], [0.9, 0.9]), example([12, 9, 3], [0.9, 0.1]))
    assert fires(found, [BOS, 11, 2, 3], [BOS, 11, 9, 3], [BOS, 12, 9, 3], [BOS, 12, 2, 3]) == [
        True,
        False,
        True,
        True,
    ]


def test_merged_wildcards_drop_a_required_token():
    """The authors' way, told as such: taught "A b c" and "x W c", it fires on "A W c"."""
    taught = (example([11, 2, 3], [0.9, 0.9]), example([12, 9, 3], [0.9, 0.1], exemplar=1))
    found = paths(*taught, merge_wildcards=True)
    assert set(tokens_of(found)) == {(3, ANY, 11), (3, ANY, 12)}
    # A path that ends at a token stays, and what follows it matches behind the wildcard as well.
    taught = (*taught, example([2, 3], [0.9], exemplar=2))
    found = paths(*taught, merge_wildcards=True)
    assert set(tokens_of(found)) == {(3, ANY, 11), (3, ANY, 12), (3, 2), (3, 2, 11)}


def test_paths_that_meet_in_a_wildcard_combine():
    taught = (
        example([12, 9, 3], [0.9, 0.1], activation=0.6),
        example([12, 2, 3], [0.9, 0.9], activation=1.0, exemplar=1),
    )
    for combine, expected in (("first", 0.6), ("mean", 0.8), ("max", 1.0)):
        (found,) = paths(*taught, merge_wildcards=True, combine=combine)
        assert found.tokens == (3, ANY, 12)
        assert found.activation == pytest.approx(expected)
        assert found.count == 2


def test_a_literal_child_shadows_the_wildcard_only_where_that_is_wanted():
    found = (Path((3, 2, 1), (1, 1, 1), 0.6, 1), Path((3, ANY, 5), (1, 0, 1), 0.9, 1))
    context = torch.tensor([[BOS, 5, 2, 3], [BOS, 5, 4, 3], [BOS, 1, 2, 3]])
    authors = N2GExplanation(1.0, found, match="literal").simulate(context)[:, -1]
    assert authors.tolist() == pytest.approx([0.0, 0.9, 0.6])


def test_a_literal_child_does_not_shadow_the_wildcard_beside_it():
    found = [Path((3, 2, 1), (1, 1, 1), 0.6, 1), Path((3, ANY, 5), (1, 0, 1), 0.9, 1)]
    one = N2GExplanation(1.0, tuple(found))
    assert one.simulate(torch.tensor([[BOS, 5, 2, 3]]))[0, -1] == pytest.approx(0.9)


def test_the_longest_match_wins_over_shorter_ones():
    found = [Path((3,), (1,), 0.9, 1), Path((3, 2), (1, 1), 0.6, 1)]
    one = N2GExplanation(1.0, tuple(found))
    assert one.simulate(torch.tensor([[BOS, 2, 3]]))[0, -1] == pytest.approx(0.6)
    assert one.simulate(torch.tensor([[BOS, 1, 3]]))[0, -1] == pytest.approx(0.9)


def test_no_path_begins_with_a_wildcard():
    """In public code a wildcard root fired everywhere."""
    values = [Value(0, 2, 0, 2, 1.0)]
    lost = Example(0, np.array([BOS, 5, 8]), 1.0, values, False, np.zeros(3, dtype=np.float32))
    assert tokens_of(paths(lost)) == [(8,)]
    assert fires(paths(lost), [BOS, 8], [BOS, 7], [BOS, BOS]) == [True, False, False]


def test_strongest_come_first():
    found = paths(example([5], [], activation=0.6), example([6], [], activation=0.9))
    assert tokens_of(found) == [(6,), (5,)]
