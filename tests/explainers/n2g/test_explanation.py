"""Saved and loaded nothing is lost; what is printed reads as a person would write it."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explainers.float32 import shortest
from explainers.n2g import N2GExplanation
from explainers.n2g.counts import DROPPED, Counts
from explainers.n2g.describe import LINES, WIDTH
from explainers.n2g.settings import MATCH
from explainers.n2g.substitutes import Substitute
from explainers.n2g.trie import ANY, Path

NUMBERS = st.floats(-(2.0**60), 2.0**60, width=32).map(shortest)
LITERALS = st.integers(0, 60_000)


COUNTS = st.builds(
    Counts,
    st.just(20),
    st.just(7),
    st.integers(0, 7),
    st.one_of(st.none(), st.integers(0, 7)),
    st.dictionaries(st.sampled_from(sorted(DROPPED)), st.integers(1, 9)),
)


@st.composite
def explanations(draw):
    paths = {}
    for _ in range(draw(st.integers(0, 5))):
        path = [draw(LITERALS)]
        if draw(st.booleans()):
            path += draw(st.lists(st.one_of(LITERALS, st.just(ANY)), max_size=4))
            path.append(draw(LITERALS))
        weights = draw(st.lists(NUMBERS, min_size=len(path), max_size=len(path)))
        paths[tuple(path)] = Path(tuple(path), tuple(weights), draw(NUMBERS), draw(st.integers(1)))
    ids = st.lists(LITERALS, min_size=1, max_size=2).map(tuple)
    tried = st.builds(Substitute, st.integers(0, 9), ids, ids, NUMBERS, st.booleans())
    return N2GExplanation(
        draw(NUMBERS),
        tuple(paths.values()),
        draw(NUMBERS),
        draw(COUNTS),
        tuple(draw(st.lists(tried, max_size=3))),
        draw(LITERALS),
        draw(st.dictionaries(LITERALS, st.text(max_size=5), max_size=5)),
        draw(st.sampled_from(MATCH)),
    )


@given(explanations())
def test_it_saves_and_loads_without_loss(one):
    data = json.loads(json.dumps(one.to_dict()))
    loaded = N2GExplanation.from_dict(data)
    assert loaded == one
    assert loaded.to_dict() == one.to_dict()
    tokens = torch.randint(0, 60_000, (3, 5))
    for path in one.paths:
        tokens[0, :1] = path.tokens[0]
    assert torch.equal(loaded.simulate(tokens), one.simulate(tokens))
    assert loaded.describe() == one.describe()


def test_an_explanation_of_an_older_run_still_loads():
    """Its counts were three numbers, and paths matched by one rule."""
    older = {
        "max_activation": 2.0,
        "default": 0.0,
        "bos": 0,
        "counts": [20, 9, 2],
        "paths": [[[5, 4], [1.0, 0.9], 0.75, 3]],
        "substitutes": [[0, [5], [7], 0.5, True]],
        "texts": {"5": "x"},
    }
    one = N2GExplanation.from_dict(older)
    assert one.counts == Counts(20, 9, 2)
    assert one.describe().startswith("1 pattern from 9 firing of 20 exemplars;")
    assert one.simulate(torch.tensor([[0, 4, 5]])).tolist() == [[0.0, 0.0, 1.5]]
    assert N2GExplanation.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_a_rule_of_matching_that_is_not_known_is_said():
    data = N2GExplanation(1.0, ()).to_dict()
    with pytest.raises(ValueError, match="by the rule 'shortest'"):
        N2GExplanation.from_dict({**data, "match": "shortest"})


@given(explanations())
def test_it_always_fits_a_screen(one):
    lines = one.describe().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100


TEXTS = {1: "·was", 2: "·were", 3: "·on", 4: "·the", 5: "·List", 6: "·a", 7: "·Set"}


def path(*tokens, activation=1.0, count=1):
    return Path(tuple(reversed(tokens)), (1.0,) * len(tokens), activation, count)


def written(*paths, **rest):
    one = N2GExplanation(2.0, paths, texts=TEXTS, counts=Counts(20, 9, 0), **rest)
    return one.describe().splitlines()


def test_alternatives_gaps_and_the_activating_token():
    lines = written(
        path(1, ANY, ANY, 3, 4, 5, activation=0.74),
        path(2, ANY, ANY, 3, 4, 5, activation=0.74),
    )
    assert lines == [
        "2 patterns from 9 firing of 20 exemplars; largest activation 2",
        "[·was | ·were] … ·on ·the ‹·List›  0.74",
    ]


def test_strongest_first_and_the_mean_weighted_by_count():
    assert written(
        path(3, 6, activation=0.6),
        path(1, 5, activation=0.8, count=3),
        path(2, 5, activation=0.72),
        path(7, activation=0.9),
    )[1:] == ["‹·Set›  0.90", "[·was | ·were] ‹·List›  0.78", "·on ‹·a›  0.60"]


def test_activations_far_apart_are_not_one_line():
    assert written(path(1, 5, activation=1.0), path(2, 5, activation=0.6))[1:] == [
        "·was ‹·List›  1.00",
        "·were ‹·List›  0.60",
    ]


def test_the_start_of_a_context_is_named():
    assert written(path(0, ANY, 5), bos=0)[1:] == ["[start] … ‹·List›  1.00"]


def test_gaps_of_different_length_are_written_once():
    assert written(path(1, ANY, 5), path(1, ANY, ANY, 5, activation=0.7))[1:] == [
        "·was … ‹·List›  1.00"
    ]


def test_a_token_without_text_is_its_id():
    assert written(path(99))[1:] == ["‹#99›  1.00"]


def test_substitutes_are_shown():
    tried = (
        Substitute(0, (5,), (7,), 0.8, True),
        Substitute(1, (4,), (6,), 0.9, True),
        Substitute(1, (4,), (3, 4), 0.05, False),
    )
    assert written(path(4, 5), substitutes=tried)[2:] == [
        "still fires: ·the → ·a 0.90, ·List → ·Set 0.80",
        "no longer fires: ·the → ·on·the 0.05",
    ]


def test_substitutes_keep_their_heading_whatever_tokens_they_are():
    texts = {1: "‹", 2: "a" * 40, 3: "b" * 40}
    tried = (Substitute(0, (2,), (3,), 0.9, True), Substitute(0, (2,), (1,), 0.8, True))
    line = N2GExplanation(1.0, (), substitutes=tried, texts=texts).describe().splitlines()[-1]
    assert line.startswith("still fires: aaa")
    assert len(line) == WIDTH


def test_no_minus_stands_before_zero():
    tried = (Substitute(0, (5,), (7,), -0.001, False), Substitute(0, (5,), (3,), -0.2, False))
    assert written(path(4, activation=-0.004), path(5), substitutes=tried)[1:] == [
        "‹·List›  1.00",
        "‹·the›  0.00",
        "no longer fires: ·List → ·on -0.20, ·List → ·Set 0.00",
    ]


def test_whole_contexts_are_said():
    one = N2GExplanation(2.0, (), counts=Counts(20, 9, 2))
    assert "2 kept the whole context" in one.describe()


def test_one_is_spoken_of_as_one():
    one = N2GExplanation(2.0, (path(4),), counts=Counts(1, 1, 0))
    assert one.describe().startswith("1 pattern from 1 firing of 1 exemplar; largest activation 2")
    none = N2GExplanation(2.0, (), counts=Counts(20, 0, 0))
    assert none.describe().startswith("0 patterns from 0 firing of 20 exemplars;")
    spread = [path(*[5] * length) for length in range(1, LINES + 2)]
    lines = N2GExplanation(1.0, tuple(spread)).describe().splitlines()
    assert lines[-1] == "and 1 weaker one"


def test_many_patterns_are_cut_and_counted():
    many = [path(number, activation=number / 100) for number in range(10, 60)]
    lines = N2GExplanation(1.0, tuple(many), texts=dict.fromkeys(range(99), "x")).describe()
    assert len(lines.splitlines()) < LINES + 3
    far = [path(number, 5, activation=1 - number / 8) for number in range(6)]
    lines = N2GExplanation(1.0, tuple(far)).describe().splitlines()
    assert len(lines) == 7
    spread = [path(number, *[5] * (number % 9 + 1), activation=number / 40) for number in range(40)]
    lines = N2GExplanation(1.0, tuple(spread)).describe().splitlines()
    assert lines[-1].endswith("weaker ones")


def test_a_long_pattern_keeps_its_activating_token():
    line = written(path(*[3] * 60, 5))[1]
    assert len(line) == WIDTH
    assert line.startswith("…")
    assert line.endswith("·on ‹·List›  1.00")


@pytest.mark.parametrize(
    "paths",
    [
        [[[], [], 1.0, 1]],
        [[[ANY, 1], [0, 1], 1.0, 1]],
        [[[1, ANY], [1, 0], 1.0, 1]],
        [[[1, -7], [1, 1], 1.0, 1]],
        [[[1, 2], [1], 1.0, 1]],
        [[[1], [1], 1.0, 1], [[1], [1], 0.5, 1]],
        [[[1], [1], float("nan"), 1]],
    ],
)
def test_what_is_damaged_is_refused(paths):
    data = {**N2GExplanation(1.0, ()).to_dict(), "paths": paths}
    with pytest.raises(ValueError, match=r"path|finite"):
        N2GExplanation.from_dict(data)
