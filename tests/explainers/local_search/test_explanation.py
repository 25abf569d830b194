"""Saved explanations simulate as before, and their text fits a screen."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainers.local_search import LocalSearch, LocalSearchExplanation
from explainers.local_search.examples import Example, Slot, Trial, saved
from explainers.shown_texts import shown_texts

BOS = 0
WORDS = ["", " the", " cat", "s", ".", "\n", " verylongword" * 3, "~", "    "]


def random_example(rng):
    """Slots of one or two tokens, each with a few trials of one or two."""
    slots, at = [], 0
    for _ in range(rng.randint(1, 4)):
        width = rng.choice([1, 1, 2])
        trials = [
            Trial(
                tuple(rng.choices(range(1, 9), k=rng.choice([1, 1, 2]))),
                saved(rng.uniform(-1, 9)),
                rng.random() < 0.5,
            )
            for _ in range(rng.randint(0, 4))
        ]
        trials.sort(key=lambda trial: (-trial.activation, trial.replacement))
        slots.append(Slot(at, at + width, tuple(trials), rng.randint(0, 3)))
        at += width
    tokens = tuple(rng.choices(range(1, 9), k=at))
    tail = tuple(rng.choices(range(9), k=rng.randint(0, 2)))
    return Example(tokens, tail, saved(rng.uniform(0.1, 30)), 2, tuple(slots))


def random_explanation(rng):
    examples = tuple(random_example(rng) for _ in range(rng.randint(0, 12)))
    least, resting = rng.choice([0.05, 0.3]), rng.choice([0.0, 0.5])
    return LocalSearchExplanation(33.0, resting, examples, 20, least, BOS)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32))
def test_together_loaded_and_one_by_one_are_the_same_to_the_last_bit(seed):
    rng = random.Random(seed)
    ones = [random_explanation(rng) for _ in range(rng.randint(1, 3))]
    tokens = torch.tensor([rng.choices(range(10), k=7) for _ in range(rng.randint(1, 3))])
    together = LocalSearch().simulate_block(ones, tokens)
    for column, one in enumerate(ones):
        data = json.loads(json.dumps(one.to_dict()))
        loaded = LocalSearchExplanation.from_dict(data)
        assert loaded.to_dict() == one.to_dict()
        assert loaded.describe() == one.describe()
        assert torch.equal(loaded.simulate(tokens), one.simulate(tokens))
        assert torch.equal(together[..., column], one.simulate(tokens))
        for row in range(len(tokens)):
            assert torch.equal(one.simulate(tokens[row : row + 1])[0], together[row, :, column])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32))
def test_any_description_fits_a_screen_and_names_every_token(seed):
    one = random_explanation(random.Random(seed))
    texts = shown_texts(
        one.describe_with, lambda token: WORDS[token].replace(" ", "·").replace("\n", "↵")
    )
    lines = replace(one, texts=texts).describe().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert not any("#" in line for line in lines)


def known():
    slots = (
        Slot(0, 1),
        Slot(1, 2, (Trial((3,), 6.5, True), Trial((4,), 5.0, True)), 1),
        Slot(2, 3, (Trial((2,), 4.5, True), Trial((1,), 0.25, False), Trial((4,), 0.0, False))),
    )
    example = Example((1, 2, 3), (4,), 6.0, 3, slots)
    texts = {1: "·the", 2: "·cat", 3: "·sat", 4: "·dog"}
    return LocalSearchExplanation(8.0, 0.125, (example,), 20, 0.05, BOS, texts)


def test_what_a_person_sees():
    assert known().describe().splitlines() == [
        "1 minimal activating example (MAE) of 20 exemplars; largest activation 8",
        "3 positive and 2 negative substitutes, 1 between them; 0.125 where nothing matches",
        "‹token› activates; ~words~ may vary: most substitutes of each kept the activation; "
        "[substitute]",
        "a word never tried keeps the share of positives tried in its place; "
        "where none was tried, 1.00",
        "          activation  prompt",
        "MAE                6  the ~cat~ ‹sat› dog ×3",
        "positive         6.5  the [sat] ‹sat› dog",
        "positive         4.5  the cat ‹[cat]› dog",
        "negative           0  the cat ‹[dog]› dog",
        "negative        0.25  the cat ‹[the]› dog",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"examples": [[[], 1.0, []]]}, "damaged"),
        ({"examples": [[[1], 0.0, [[0, 1, [], []]]]]}, "damaged"),
        ({"examples": [[[1, 2], 1.0, [[0, 1, [], []]]]]}, "damaged"),
        ({"examples": [[[1, 2], 1.0, [[0, 1, [], []], [0, 2, [], []]]]]}, "order"),
        ({"examples": [[[1], 1.0, [[0, 1, [[[], 1.0]], []]]]]}, "no tokens"),
        ({"examples": [[[1], 1.0, [[0, 1, [[[2], float("nan")]], []]]]]}, "finite"),
        ({"resting": float("inf")}, "finite"),
    ],
)
def test_a_damaged_explanation_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        LocalSearchExplanation.from_dict({**known().to_dict(), "shown": {}, **change})
