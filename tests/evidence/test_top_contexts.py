"""Top contexts that were found in parts are those of the whole, whatever the parts."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.evidence.segments import find_segments
from benchmark.evidence.top_contexts import TopAccumulator, TopContexts, merge
from tests.evidence.subjects import TableSubject, random_contexts

NAMES = tuple(TopContexts.__dataclass_fields__)


def found_in(contexts, activations, start, stop, k, batch=3, waiting=None, at_least=None):
    """The top contexts of rows `start` to `stop`, a few at a time.

    Args:
        waiting: how many contexts of all units may wait to be sorted in.
        at_least: of each unit a value that the contexts must reach.
    """
    segments = find_segments(contexts)
    n_units, length = activations.shape[2], activations.shape[1]
    state = TopAccumulator(n_units, k, length, torch.float32, torch.device("cpu"), at_least)
    state._most_waiting = state._most_waiting if waiting is None else waiting
    for row in range(start, stop, batch):
        rows = slice(row, min(row + batch, stop))
        state.update(activations[rows], segments.of_rows(rows), row)
    return state.result()


def slow(contexts, activations, k):
    """For each unit (value, row, document) of its strongest contexts, by looking at all of them."""
    n_contexts, length, n_units = activations.shape
    result = []
    for unit in range(n_units):
        best = {}
        for row in range(n_contexts):
            places = [p for p in range(length) if contexts.tokens[row, p] != contexts.bos]
            if not places:
                continue
            place = max(places, key=lambda p: (float(activations[row, p, unit]), -p))
            value = float(activations[row, place, unit])
            document = int(contexts.documents[row, place])
            if document not in best or value > best[document][0]:
                best[document] = (value, row)
        ranked = sorted((-value, row, document) for document, (value, row) in best.items())
        result.append([(-value, row, document) for value, row, document in ranked[:k]])
    return result


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 24),
    documents=st.integers(1, 20),
    k=st.integers(1, 6),
    values=st.sampled_from([None, 2, 3]),
    cuts=st.lists(st.integers(1, 23), max_size=4),
    waiting=st.integers(0, 60),
)
def test_parts_give_the_same_as_the_whole_and_as_the_slow_way(
    seed, n, documents, k, values, cuts, waiting
):
    contexts = random_contexts(n=n, documents=min(documents, 2 * n), seed=seed)
    activations = TableSubject(seed=seed, values=values).everything(contexts.tokens, 1)
    whole = found_in(contexts, activations, 0, n, k, waiting=waiting)
    bounds = sorted({0, n, *(cut for cut in cuts if cut < n)})
    parts = [
        found_in(contexts, activations, start, stop, k)
        for start, stop in itertools.pairwise(bounds)
    ]
    shuffled = random.Random(seed).sample(parts, len(parts))
    # Each part leaves out what those before it, in any order, show to be too weak.
    limited, reached = [], None
    for start, stop in random.Random(seed).sample(list(itertools.pairwise(bounds)), len(parts)):
        part = found_in(contexts, activations, start, stop, k, at_least=reached)
        limited.append(TopContexts.unpacked(part.packed()))
        weakest = part.values[:, -1]
        reached = weakest if reached is None else torch.maximum(reached, weakest)
    split = [merge(parts), merge(shuffled), merge([merge(parts[:2]), *parts[2:]])]
    for merged in (*split, merge(limited)):
        for name in NAMES:
            assert torch.equal(getattr(merged, name), getattr(whole, name)), name
    for unit, expected in enumerate(slow(contexts, activations, k)):
        rows = whole.contexts[unit].tolist()
        assert rows == [row for _, row, _ in expected] + [-1] * (k - len(expected))
        assert whole.documents[unit, : len(expected)].tolist() == [name for *_, name in expected]
        assert whole.values[unit, : len(expected)].tolist() == [value for value, *_ in expected]
        for place, (_, row, _) in enumerate(expected):
            assert torch.equal(whole.activations[unit, place], activations[row, :, unit])
        assert not whole.activations[unit, len(expected) :].any()


def test_equal_values_keep_the_first_rows():
    contexts = random_contexts(n=6, documents=6, seed=1)
    top = found_in(contexts, torch.ones(6, 9, 2), 0, 6, 3, batch=2)
    documents = [sorted(set(row.tolist())) for row in top.documents]
    assert top.contexts.tolist() == [sorted(row) for row in top.contexts.tolist()]
    assert all(len(names) == 3 for names in documents)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_activations_are_kept_in_a_precision_and_ranked_exactly(dtype):
    contexts = random_contexts(n=12, documents=12, seed=2)
    activations = TableSubject(seed=2).everything(contexts.tokens, 0)
    segments = find_segments(contexts)
    state = TopAccumulator(7, 4, 9, dtype, torch.device("cpu"))
    state.update(activations, segments, 0)
    found, exact = state.result(), found_in(contexts, activations, 0, 12, 4)
    assert found.activations.dtype == dtype
    assert torch.equal(found.values, exact.values)
    assert torch.equal(found.contexts, exact.contexts)
    assert torch.equal(found.activations, exact.activations.to(dtype))
