"""What slots say about what was tried and what was not."""

from __future__ import annotations

import pytest
import torch

from explainers.local_search.examples import Example, Slot, Trial
from explainers.local_search.explanation import LocalSearchExplanation

BOS = 0


def explanation(*examples, resting=0.0, least=0.05):
    return LocalSearchExplanation(8.0, resting, examples, len(examples), least, BOS)


def example(tokens, trials, activation=4.0):
    """One token a slot; `trials` are (place, replacement, activation, positive)."""
    slots = []
    for place in range(len(tokens)):
        own = [Trial((new,), does, kept) for at, new, does, kept in trials if at == place]
        slots.append(Slot(place, place + 1, tuple(own)))
    return Example(tuple(tokens), (), activation, 1, tuple(slots))


def does(one, *context):
    return one.simulate(torch.tensor([[BOS, *context]]))[0, -1].item()


def test_what_was_seen_predicts_what_was_measured():
    one = explanation(example([5, 7], [(0, 6, 3.0, True), (0, 9, 0.4, False), (1, 8, 4.8, True)]))
    assert does(one, 5, 7) == 4.0
    assert does(one, 6, 7) == 3.0
    assert does(one, 9, 7) == pytest.approx(0.4)
    assert does(one, 5, 8) == pytest.approx(4.8)


def test_a_word_never_tried_counts_by_the_share_of_those_that_kept_it():
    half = explanation(example([5, 7], [(0, 6, 3.0, True), (0, 9, 0.0, False)]))
    assert does(half, 4, 7) == 2.0
    none = explanation(example([5, 7], [(0, 8, 0.0, False), (0, 9, 0.0, False)]))
    assert does(none, 4, 7) == 0.0
    wildcard = explanation(example([5, 7], [(0, 8, 4.0, True), (0, 9, 4.0, True)]))
    assert does(wildcard, 4, 7) == 4.0
    assert does(wildcard, 7) == 4.0  # the start of a document is a word never tried


def test_a_slot_never_tried_counts_as_the_others_do():
    two = example([5, 6, 7], [(0, 8, 4.0, True), (0, 9, 0.0, False)])
    assert does(explanation(two), 5, 4, 7) == 2.0
    assert does(explanation(two), 5, 6, 4) == 0.0  # but the activating token must be one seen
    assert does(explanation(example([5, 7], [])), 4, 7) == 0.0  # nothing was tried at all
    assert does(explanation(example([5, 7], [])), 5, 7) == 4.0


def test_the_strongest_example_wins_and_nothing_is_below_rest():
    low, high = example([7], [], 1.0), example([5, 7], [], 3.0)
    one = explanation(high, low, resting=0.5)
    assert does(one, 5, 7) == 3.0
    assert does(one, 4, 7) == 1.0
    assert does(one, 4) == 0.5
    assert does(explanation(low, resting=2.0), 7) == 2.0


def test_a_match_that_is_too_weak_is_none():
    trials = [(0, 8, 4.0, True), (0, 9, 0.0, False)]
    assert does(explanation(example([5, 7], trials), least=0.5), 4, 7) == 2.0
    assert does(explanation(example([5, 7], trials), least=0.51), 4, 7) == 0.0


def test_a_pattern_whose_words_all_vary_does_not_match_everywhere():
    one = explanation(example([5, 7], [(0, 6, 4.0, True), (1, 8, 4.0, True)]))
    assert does(one, 4, 7) == 4.0
    assert does(one, 4, 8) == 4.0
    assert does(one, 5, 4) == 0.0  # the activating token is the one that must be seen


def test_any_token_after_a_word_that_must_stay():
    one = explanation(example([5, 7], [(0, 6, 0.0, False), (1, 8, 4.0, True)]))
    assert does(one, 5, 4) == 4.0
    assert does(one, 6, 7) == 0.0


def test_words_of_several_tokens_are_one_slot():
    slots = (
        Slot(0, 1, (Trial((9,), 0.0, False),)),
        Slot(1, 3, (Trial((6, 4), 2.0, True), Trial((8,), 3.0, True), Trial((9,), 0.1, False))),
        Slot(3, 4),
    )
    one = explanation(Example((1, 5, 6, 7), (), 4.0, 1, slots))
    assert does(one, 1, 5, 6, 7) == 4.0
    assert does(one, 1, 6, 4, 7) == 2.0
    # A substitute of another length shifts what stands before it.
    assert does(one, 1, 8, 7) == 3.0
    assert does(one, 2, 8, 7) == 0.0
    # Two of three tried kept it; half of the word is not the word.
    assert does(one, 1, 5, 4, 7) == pytest.approx(4.0 * 2 / 3)


def test_what_needs_another_document_predicts_nothing():
    one = explanation(Example((3, BOS, 7), (), 4.0, 1, (Slot(2, 3),)))
    assert does(one, 7) == 0.0
    assert does(one, 3, BOS, 7) == 0.0
