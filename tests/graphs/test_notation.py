"""Patterns as text: every one is read back as it was, whatever the tokens are spelt with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.graphs.notation import (
    read_context,
    read_contexts,
    read_places,
    write_context,
    write_places,
)
from benchmark.vocabulary import START, Vocabulary
from tests.test_vocabulary import VOCABULARY, Decoder


class Texts:
    """A tokenizer of given texts."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    def decode(self, ids: list[int]) -> str:
        return "".join(self.texts[token] for token in ids)


LETTERS = st.text(st.sampled_from("ab1 [|]\\‹›…~↺·start\n"), max_size=4)


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    texts = draw(st.lists(st.one_of(LETTERS, st.text(max_size=3)), min_size=1, max_size=12))
    texts += draw(st.lists(st.sampled_from(["start", "[start]", "…", "\\", "|", "8"])))
    return Vocabulary(Texts(texts), bos=draw(st.integers(0, len(texts) - 1)))


@st.composite
def patterns(draw: st.DrawFn, vocabulary: Vocabulary) -> tuple[tuple[int, ...], ...]:
    """Return places; ids may lie beyond the vocabulary."""
    token = st.integers(0, len(vocabulary.tokenizer) + 3)
    place = st.one_of(
        token.map(lambda one: (one,)),
        st.lists(token, max_size=4, unique=True).map(tuple),
    )
    return tuple(draw(st.lists(place, min_size=1, max_size=7)))


@given(st.data())
def test_what_is_written_is_read_back(data: st.DataObject) -> None:
    vocabulary = data.draw(vocabularies())
    places = data.draw(patterns(vocabulary))
    text = write_places(places, vocabulary)
    assert len(text.splitlines()) == 1
    assert read_places(text, vocabulary) == places
    assert read_context(write_context(places, vocabulary), vocabulary) == places


@given(st.data())
def test_different_patterns_have_different_texts(data: st.DataObject) -> None:
    vocabulary = data.draw(vocabularies())
    first, second = data.draw(patterns(vocabulary)), data.draw(patterns(vocabulary))
    same = write_places(first, vocabulary) == write_places(second, vocabulary)
    assert same == (first == second)


@given(st.data())
def test_contexts_between_bars_are_read_back(data: st.DataObject) -> None:
    vocabulary = data.draw(vocabularies())
    contexts = data.draw(st.lists(patterns(vocabulary), min_size=1, max_size=4))
    text = "|".join(write_context(places, vocabulary) for places in contexts)
    assert read_contexts(text, vocabulary) == contexts


def ids(*texts: str) -> tuple[int, ...]:
    return tuple(Decoder.texts.index(text) for text in texts)


def test_literal_tokens_are_running_text_and_a_gap_is_one_token() -> None:
    places = (ids("<s>"), ids("b"), ids("a"), (), (), ids("ab", "|"), ids("1", "12"))
    assert write_places(places, VOCABULARY) == f"{START}ba……[ab|\\|]‹1|12›"
    assert write_places([ids("a"), ids("b"), ()], VOCABULARY) == "a b‹…›"
    assert write_places([ids("<s>", "a"), ids("b")], VOCABULARY) == f"[{START}|a]‹b›"
    assert write_context([], VOCABULARY) == ""


def test_what_a_person_spaces_out_is_read() -> None:
    assert read_places("ba … [ab | b] ‹1›", VOCABULARY) == (
        *((token,) for token in ids("b", "a")),
        (),
        ids("ab", "b"),
        ids("1"),
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "‹›", "‹a", "a›", "‹a›b", "‹a›‹b›", "[a‹b›", "a]‹b›", "[]‹a›", "[a|]‹b›"),
        *("‹a|a›", "[ab b|a]‹a›", "‹q›", "q‹a›", "~8‹a›", "↺‹a›", "‹a|…›", "‹[a|b]›", "a|b‹a›"),
        *("‹ba›", "‹a›  0.5", "‹ ›", "[ |a]‹b›", "\\‹a›"),
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no pattern|is no list|begins with no token"):
        read_places(text, VOCABULARY)
