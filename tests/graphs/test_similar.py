"""Near-equal and nested graphs: the joint way finds what comparing all pairs finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.graphs import build_graph, similar
from benchmark.graphs.similar import LARGEST, alike, features, least_shared, packed, similar_pairs
from tests.graphs.examples import pattern, pattern_lists, spelt, text_of

THRESHOLDS = st.sampled_from([0.1, 0.3, 0.5, 2 / 3, 0.7, 0.75, 0.9, 1.0])


def arrays(sets):
    return [np.array(sorted(each), dtype=np.int64) for each in sets]


def slowly(sets, threshold):
    """Every pair by itself: (first, second, shared) of equal, near-equal and nested ones."""
    equal, near, nested = [], [], []
    for i, j in itertools.combinations(range(len(sets)), 2):
        if not sets[i] or not sets[j]:
            continue
        shared = len(sets[i] & sets[j])
        if sets[i] == sets[j]:
            equal.append((i, j, shared))
        elif shared / len(sets[i] | sets[j]) >= threshold:
            near.append((i, j, shared))
        elif shared / min(len(sets[i]), len(sets[j])) >= threshold:
            nested.append((i, j, shared))
    return equal, near, nested


def as_found(pairs):
    return {(*sorted((pair.first, pair.second)), pair.shared) for pair in pairs}


@settings(max_examples=300)
@given(st.lists(st.sets(st.integers(0, 12), max_size=8), max_size=14), THRESHOLDS)
def test_it_agrees_with_comparing_all_pairs(sets, threshold):
    found = similar_pairs(arrays(sets), threshold, 1000)
    equal, near, nested = slowly(sets, threshold)
    assert (found.n_equal, found.n_near, found.n_nested) == (len(equal), len(near), len(nested))
    assert as_found(found.near) == {*equal, *near}
    assert as_found(found.nested) == set(nested)
    for pair in found.nested:
        assert pair.sizes[0] <= pair.sizes[1]
        assert pair.sizes == (len(sets[pair.first]), len(sets[pair.second]))


@given(st.lists(st.sets(st.integers(0, 8), max_size=6), max_size=12), THRESHOLDS, st.integers(0, 4))
def test_the_listed_ones_are_the_best(sets, threshold, top):
    every, few = (
        similar_pairs(arrays(sets), threshold, 1000),
        similar_pairs(arrays(sets), threshold, top),
    )
    assert few.near == every.near[:top]
    assert few.nested == every.nested[:top]
    assert (few.n_equal, few.n_near, few.n_nested) == (every.n_equal, every.n_near, every.n_nested)
    keys = [(-pair.similarity, -pair.shared) for pair in every.near]
    assert keys == sorted(keys)
    keys = [(-pair.contained, -pair.shared) for pair in every.nested]
    assert keys == sorted(keys)


def test_small_parts_give_the_same(monkeypatch):
    generator = np.random.default_rng(0)
    sets = [set(generator.zipf(1.5, 12).clip(max=40).tolist()) for _ in range(150)]
    whole = similar_pairs(arrays(sets), 0.6, 50)
    assert whole.n_near
    assert whole.n_nested
    monkeypatch.setattr(similar, "ENTRIES_AT_ONCE", 64)
    assert similar_pairs(arrays(sets), 0.6, 50) == whole


@given(st.integers(1, 500), st.floats(0.001, 1))
def test_the_fewest_items_that_are_enough(size, threshold):
    least = least_shared(size, threshold)
    assert least == next(n for n in range(1, size + 2) if n / size >= threshold)


@given(pattern_lists())
def test_the_items_are_those_of_every_pattern_spelt_out(patterns):
    graph = build_graph(patterns, text_of, 0)
    wanted = set()
    for tokens in spelt(graph):
        end = tokens[-1]
        for distance, token in enumerate(reversed(tokens)):
            if token is not None:
                wanted.add(packed(end, distance, token))
    assert features(graph).tolist() == sorted(wanted)


def test_an_item_is_one_number_of_its_own():
    seen = {packed(*each) for each in itertools.product((0, 1, LARGEST), repeat=3)}
    assert len(seen) == 27
    assert max(seen) < 2**63
    with pytest.raises(ValueError, match="cannot be"):
        packed(LARGEST + 1, 0, 0)


def test_the_pattern_shown_is_the_one_that_is_shared():
    one = build_graph([pattern(1, 2), pattern(3, activation=0.2)], text_of)
    other = build_graph([pattern(4, 3, activation=0.1), pattern(5)], text_of)
    assert one.text(alike(one, other)) == "‹·on›"
    assert other.text(alike(other, one)) == "·the ‹·on›"
