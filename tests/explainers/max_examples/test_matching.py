"""Refining runs of all neurons together against comparing every pair of places."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainers.max_examples import MaxExamples, MaxExamplesExplanation
from explainers.max_examples.matching import COMBINE, Matching, Remembered, predict

BOS = 0
COMBINED = {"mean": statistics.fmean, "max": max, "min": min, "median": statistics.median}


def slow_predict(neuron, context, place, matching):
    """Every exemplar position is compared token by token, leftwards, up to a BOS of both."""
    if context[place] == matching.bos:
        return neuron.resting
    best, seen = 0, []
    for tokens, activations in zip(
        neuron.tokens.tolist(), neuron.activations.tolist(), strict=True
    ):
        for at in range(len(tokens)):
            length = 0
            while (
                length != matching.longest
                and min(at, place) - length >= 0
                and tokens[at - length] == context[place - length]
            ):
                length += 1
                if tokens[at - length + 1] == matching.bos:
                    break
            if tokens[at] == matching.bos or length < max(matching.shortest, best):
                continue
            if length > best:
                best, seen = length, []
            seen.append(activations[at])
    return COMBINED[matching.combine](seen) if seen else neuron.resting


# Few ids, so that much matches; id 4 is never in an exemplar.
def contexts(largest, size):
    ids = st.lists(st.integers(0, largest), min_size=size, max_size=size)
    return st.lists(ids, min_size=1, max_size=3).map(np.array)


@st.composite
def neurons(draw):
    found = []
    for _ in range(draw(st.integers(1, 3))):
        tokens = draw(contexts(3, 7))
        values = draw(st.lists(st.integers(-8, 30), min_size=tokens.size, max_size=tokens.size))
        activations = np.array(values, dtype=np.float32).reshape(tokens.shape) / 4
        found.append(Remembered(tokens, activations, draw(st.sampled_from([0.0, 0.125]))))
    return found


MATCHINGS = st.builds(
    Matching,
    st.just(BOS),
    st.sampled_from([None, 2, 3]),
    st.sampled_from([1, 2]),
    st.sampled_from(COMBINE),
)


@settings(max_examples=60, deadline=None)
@given(block=neurons(), tokens=contexts(4, 8), matching=MATCHINGS)
def test_it_is_the_slow_comparison(block, tokens, matching):
    found = predict(block, tokens, matching)
    for column, neuron in enumerate(block):
        for row, context in enumerate(tokens.tolist()):
            slow = [slow_predict(neuron, context, at, matching) for at in range(len(context))]
            assert found[row, :, column] == pytest.approx(slow)


@settings(max_examples=60, deadline=None)
@given(block=neurons(), tokens=contexts(4, 8), matchings=st.lists(MATCHINGS, min_size=3))
def test_together_loaded_and_one_by_one_are_the_same_to_the_last_bit(block, tokens, matchings):
    ones = [
        MaxExamplesExplanation(neuron, matching, 7.5, {1: "one"})
        for neuron, matching in zip(block, matchings, strict=False)
    ]
    text = torch.from_numpy(tokens)
    together = MaxExamples().simulate_block(ones, text)
    for column, one in enumerate(ones):
        data = json.loads(json.dumps(one.to_dict()))
        loaded = MaxExamplesExplanation.from_dict(data)
        assert loaded.to_dict() == one.to_dict()
        assert loaded.describe() == one.describe()
        assert torch.equal(loaded.simulate(text), one.simulate(text))
        assert torch.equal(together[..., column], one.simulate(text))


def test_what_is_written_in_parts_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    block = [
        Remembered(rng.integers(0, 4, (3, 20)), rng.random((3, 20), dtype=np.float32), 0.5)
        for _ in range(5)
    ]
    tokens = rng.integers(0, 5, (6, 20))
    whole = predict(block, tokens, Matching(BOS))
    monkeypatch.setattr("explainers.max_examples.matching.WRITTEN_AT_ONCE", 7)
    assert np.array_equal(predict(block, tokens, Matching(BOS)), whole)


def one(tokens, activations, **options):
    neuron = Remembered(np.array([tokens]), np.array([activations], dtype=np.float32), 0.5)

    def does(*context):
        return predict([neuron], np.array([context]), Matching(BOS, **options))[0, -1, 0]

    return does


def test_the_longest_context_decides():
    does = one([BOS, 1, 3, 2, 3, 1, 2, 3], [0, 0, 1, 0, 2, 0, 0, 4])
    assert does(BOS, 9, 3) == pytest.approx(7 / 3)
    assert does(BOS, 9, 2, 3) == 3
    assert does(BOS, 9, 1, 2, 3) == 4
    assert does(BOS, 1, 3) == 1  # as does the start of a document
    assert does(BOS, 9, 1, 3) == 1
    assert does(BOS, 8) == 0.5


def test_a_document_before_has_no_say():
    """What stands before a BOS is neither compared nor matched, in text and in exemplars."""
    does = one([BOS, 1, 2, BOS, 3, 1, 2, 3], [9, 0, 0, 9, 5, 0, 0, 7])
    assert does(BOS, 1, 2, BOS, 3) == 5
    assert does(BOS, 3) == 5
    assert does(BOS, 4, 1, 2, 3) == 7
    assert does(BOS, 1, 2, BOS) == 0.5  # a BOS is never predicted
    # Nor does a context reach into the one before it in the batch.
    block = [Remembered(np.array([[1, 2, 3], [3, 3, 3]]), np.eye(3, dtype=np.float32)[:2], 0.5)]
    found = predict(block, np.array([[4, 1, 2], [3, 4, 4]]), Matching(BOS))
    assert found[1, 0, 0] == pytest.approx(1 / 4)


def test_no_neurons_no_tokens_no_exemplars():
    nothing = Remembered(np.zeros((0, 4), dtype=int), np.zeros((0, 4), dtype=np.float32), 0.5)
    some = np.ones((2, 3), dtype=int)
    assert predict([], some, Matching(BOS)).shape == (2, 3, 0)
    assert predict([nothing], some[:0], Matching(BOS)).shape == (0, 3, 1)
    assert (predict([nothing], some, Matching(BOS)) == 0.5).all()
    assert MaxExamples().simulate_block([], torch.ones(2, 3).long()).shape == (2, 3, 0)
