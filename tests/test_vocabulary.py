"""Spellings of token ids: every id has one, and every sequence is read back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.vocabulary import START, Vocabulary


class Decoder:
    """A tokenizer of a few texts: twins, notation, blanks, nothing, parts of each other."""

    texts = (
        *("a", "b", "ab", "aba", " a", "\n", "", "", "x", "x", "[", "]", "|", "\\", "\\1", "1"),
        *("[start]", "‹", "›", "…", "~8", "·", "<s>", " " * 48, "12", "↺", "\\u00b7", "#3"),
    )

    def __len__(self) -> int:
        return len(self.texts)

    def decode(self, ids: list[int]) -> str:
        return "".join(self.texts[token] for token in ids)


VOCABULARY = Vocabulary(Decoder(), bos=Decoder.texts.index("<s>"))
TOKENS = st.integers(0, len(Decoder.texts) + 20)


@given(st.lists(TOKENS, max_size=12))
def test_what_is_written_is_read_back(tokens: list[int]) -> None:
    assert VOCABULARY.read(VOCABULARY.write(tokens)) == tokens


def test_what_cannot_be_split_after_its_longest_token_is_written_apart() -> None:
    class Overlapping(Decoder):
        texts = ("<s>", "a", "ab", "bc")

    vocabulary = Vocabulary(Overlapping(), bos=0)
    assert vocabulary.write([1, 3, 2]) == "a bcab"
    assert vocabulary.read("a bcab") == [1, 3, 2]


def test_every_id_has_a_spelling_of_its_own() -> None:
    spellings = [VOCABULARY.spell(token) for token in range(len(Decoder.texts) + 5)]
    assert len(set(spellings)) == len(spellings)
    assert not any(" " in text or not text for text in spellings)


def test_tokens_are_written_as_running_text_where_that_is_read_back() -> None:
    a, b, ab = (Decoder.texts.index(text) for text in ("a", "b", "ab"))
    assert VOCABULARY.write([b, a]) == "ba"
    assert VOCABULARY.write([a, b]) == "a b"
    assert VOCABULARY.write([ab]) == "ab"
    assert VOCABULARY.write([VOCABULARY.bos, a]) == f"{START}a"


@pytest.mark.parametrize("text", ["q", "abq", "\\", "\\q"])
def test_what_no_token_spells_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="begins with no token of the vocabulary"):
        VOCABULARY.read(text)
