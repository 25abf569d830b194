"""Patterns of all neurons laid against a text together, against trying each at each token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explainers.local_search.compiled import compile_patterns
from explainers.local_search.pattern import Pattern, PatternSlot
from explainers.local_search.simulate import simulate_patterns

BOS = 0


def slow_part(pattern, context, place):
    """The product of what the slots keep, None where the pivot holds nothing that was seen."""
    begin = max((at + 1 for at in range(place + 1) if context[at] == BOS), default=0)
    part = 1.0
    pivot = min(pattern.slots, key=lambda slot: (slot.share, slot.distance))
    for slot in pattern.slots:
        stop = place - slot.distance + 1
        start = stop - slot.width
        known = dict(slot.known)
        held = tuple(context[start:stop]) if start >= begin else None
        if slot is pivot and not known.get(held, 0) > 0:
            return None
        part *= known.get(held, slot.share)
    return part


def slow_simulate(patterns, resting, context, place, least):
    """The best pattern's prediction."""
    best = resting
    if context[place] == BOS:
        return best
    for pattern in patterns:
        part = slow_part(pattern, context, place)
        if part is not None and part >= least:
            best = max(best, resting + (pattern.activation - resting) * part)
    return best


IDS = st.integers(1, 3)  # few, so that much matches
PARTS = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def patterns(draw):
    slots, distance = [], 0
    for _ in range(draw(st.integers(1, 3))):
        width = draw(st.sampled_from([1, 1, 2, 3]))
        filling = st.tuples(*[IDS] * width)
        known = draw(st.dictionaries(filling, PARTS, max_size=3))
        known = {draw(filling): 1.0, **known}
        slots.append(PatternSlot(distance, width, draw(PARTS), tuple(known.items())))
        distance += width
    return Pattern(draw(st.integers(1, 9)) / 4, tuple(slots))


NEURONS = st.lists(st.lists(patterns(), max_size=3), min_size=1, max_size=3)
TEXTS = st.lists(st.lists(st.integers(0, 4), min_size=8, max_size=8), min_size=1, max_size=3).map(
    np.array
)


@settings(max_examples=60, deadline=None)
@given(neurons=NEURONS, tokens=TEXTS, least=st.sampled_from([0.05, 0.3]))
def test_it_is_the_slow_matcher(neurons, tokens, least):
    resting = [0.125 * at for at in range(len(neurons))]
    compiled = [compile_patterns(own) for own in neurons]
    found = simulate_patterns(compiled, resting, tokens, BOS, least)
    for column, own in enumerate(neurons):
        alone = simulate_patterns(
            compiled[column : column + 1], resting[column:][:1], tokens, BOS, least
        )
        assert np.array_equal(found[..., column], alone[..., 0])
        for row, context in enumerate(tokens.tolist()):
            slow = [
                slow_simulate(own, resting[column], context, place, least)
                for place in range(len(context))
            ]
            assert found[row, :, column] == pytest.approx(slow)


def test_what_is_matched_in_parts_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    compiled = []
    for _ in range(4):
        slots = [
            PatternSlot(distance, 1, 0.5, (((int(rng.integers(1, 4)),), 1.0),))
            for distance in range(3)
        ]
        compiled.append(compile_patterns([Pattern(2.0, tuple(slots))]))
    tokens = rng.integers(0, 4, (9, 15))
    whole = simulate_patterns(compiled, [0.0] * 4, tokens, BOS, 0.05)
    assert len(np.unique(whole)) > 2
    monkeypatch.setattr("explainers.local_search.simulate.AT_ONCE", 5)
    assert np.array_equal(simulate_patterns(compiled, [0.0] * 4, tokens, BOS, 0.05), whole)


def test_a_document_before_is_not_looked_at():
    one = Pattern(
        4.0, (PatternSlot(0, 1, 0.0, (((2,), 1.0),)), PatternSlot(1, 1, 0.5, (((1,), 1.0),)))
    )
    tokens = np.array([[BOS, 1, 2], [BOS, 3, 2], [1, BOS, 2], [BOS, 2, 2]])
    found = simulate_patterns([compile_patterns([one])], [0.0], tokens, BOS, 0.05)
    # The start of a document is something that was never tried.
    assert found[:, 2, 0].tolist() == [4.0, 2.0, 2.0, 2.0]
    assert found[:, 0, 0].tolist() == [0.0] * 4


def test_no_neurons_no_patterns_no_tokens():
    nothing = compile_patterns([])
    assert simulate_patterns([], [], np.ones((2, 3), dtype=int), BOS, 0.1).shape == (2, 3, 0)
    found = simulate_patterns([nothing, nothing], [1.0, 2.0], np.ones((2, 3), dtype=int), BOS, 0.1)
    assert (found == [1.0, 2.0]).all()
    assert simulate_patterns([nothing], [1.0], np.ones((0, 3), dtype=int), BOS, 0.1).shape == (
        0,
        3,
        1,
    )
