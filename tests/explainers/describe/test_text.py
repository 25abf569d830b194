"""Sentences of clues: what is written is read back, whatever tokens are spelt with."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.vocabulary import Vocabulary
from explainers.describe import Description
from explainers.describe.positions import Positions
from explainers.describe.text import MOST, Clue, read_text, write_text
from tests.graphs.test_notation import Texts, vocabularies

WORDS = Vocabulary(Texts(["<s>", "join", " path", '"', " or ", "\\", "\n", "is"]), bos=0)


@st.composite
def clues(draw: st.DrawFn, vocabulary: Vocabulary) -> list[Clue]:
    token = st.integers(0, len(vocabulary.tokenizer) + 3)
    ngrams = st.lists(st.lists(token, min_size=1, max_size=4).map(tuple), max_size=6, unique=True)
    level = st.integers(-MOST, MOST)
    return [Clue(draw(level), ngram) for ngram in draw(ngrams)]


@given(st.data())
def test_any_sentence_is_read_back(data: st.DataObject) -> None:
    vocabulary = data.draw(st.one_of(vocabularies(), st.just(WORDS)))
    said = data.draw(clues(vocabulary))
    said.sort(key=lambda one: -one.level)
    elsewhere = data.draw(st.integers(-MOST, MOST))
    text = write_text(7.689, elsewhere, said, vocabulary)
    assert len(text.splitlines()) == 1
    maximum, again, found = read_text(text, vocabulary)
    assert (maximum, again) == (7.689, elsewhere)
    assert sorted(found, key=repr) == sorted(said, key=repr)


def test_a_sentence_as_it_reads() -> None:
    said = [Clue(90, (2, 1)), Clue(90, (7, 1)), Clue(90, (3,)), Clue(5, (1,)), Clue(-10, (4,))]
    assert write_text(2.5, 1, said, WORDS) == (
        'Fires 9/10 on "join" after "·path" or "is", "\\""; 0.5/10 on "join"; -1/10 on "·or·"; '
        "0.1/10 elsewhere. 10/10 is 2.5."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begin"),
        ("Fires when it rains.", "no level"),
        ('Fires 9/10 on "join"; 0/10 elsewhere.', "no level"),
        ('Fires 9/10 on "joiner"; 0/10 elsewhere. 10/10 is 1.', "no token"),
        ('Fires 9/10 on "joinis"; 0/10 elsewhere. 10/10 is 1.', "not one token"),
        ('Fires 9/10 on "join"; 8/10 on "join"; 0/10 elsewhere. 10/10 is 1.', "two things"),
        ('Fires 9.0/10 on "join"; 0/10 elsewhere. 10/10 is 1.', "at most one decimal"),
        ('Fires 9/10 on "join"; 9/10 on "is"; 0/10 elsewhere. 10/10 is 1.', "not written"),
        ('Fires 9/10 on "join"; 0/10 elsewhere. 10/10 is 1e99.', "32 bits"),
        ("Fires 0/10 elsewhere. 10/10 is 1. And more", "no level"),
        ("Fires 0/10 elsewhere.\n10/10 is 1.", "no level"),
        ("Fires 999999/10 elsewhere. 10/10 is 1.", "not written"),
    ],
)
def test_what_is_no_sentence_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)cannot be read: .*{said}"):
        Description.from_text(text, WORDS)


@given(st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), max_size=6), st.data())
def test_ngrams_are_found_where_they_end(rows: list[list[int]], data: st.DataObject) -> None:
    ngram = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple))
    tokens = torch.tensor(rows).reshape(-1, 5)
    slowly = [
        5 * row + at
        for row, context in enumerate(rows)
        for at in range(len(ngram) - 1, 5)
        if tuple(context[at + 1 - len(ngram) : at + 1]) == ngram
    ]
    assert Positions(tokens.numpy()).find(ngram).tolist() == slowly


@given(st.data())
def test_the_longest_clue_decides(data: st.DataObject) -> None:
    said = data.draw(clues(WORDS))
    one = Description.made(2.0, 3, said, WORDS)
    tokens = torch.tensor(
        data.draw(st.lists(st.lists(st.integers(0, 7), min_size=6, max_size=6), min_size=1))
    )
    for row, predicted in zip(tokens.tolist(), one.simulate(tokens).tolist(), strict=True):
        for at in range(6):
            matching = [
                (len(clue.tokens), clue.level)
                for clue in said
                if tuple(row[max(0, at + 1 - len(clue.tokens)) : at + 1]) == clue.tokens
            ]
            level = max(matching)[1] if matching else 3
            assert predicted[at] == pytest.approx(2.0 * level / 100, abs=1e-6)
