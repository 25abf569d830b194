"""Which tokens belong together as a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainers.proposers.words import word_at, word_spans


class Spelt:
    """A tokenizer of given texts; a sentencepiece one hides the space before a word."""

    def __init__(self, *texts, sentencepiece=False):
        self.texts, self.sentencepiece = texts, sentencepiece

    def decode(self, ids):
        text = "".join(self.texts[token] for token in ids)
        return text.removeprefix(" ") if self.sentencepiece else text

    def convert_ids_to_tokens(self, token):
        return self.texts[token].replace(" ", "▁")

    def encode(self, text, add_special_tokens):
        """The token with this text, after the space that such a tokenizer puts before it."""
        wanted = f" {text}" if self.sentencepiece else text
        return [self.texts.index(wanted)] if wanted in self.texts else [0]


@pytest.mark.parametrize(
    ("texts", "spans"),
    [
        ([" the", " Li", "st", "."], [(0, 1, "the"), (1, 3, "List"), (3, 4, "")]),
        (["a_b", "c", "\n", "1"], [(0, 2, "a bc"), (2, 3, ""), (3, 4, "")]),
        (["don", "'", "t", " x"], [(0, 3, "don't"), (3, 4, "x")]),
        (["", " ", ""], [(0, 1, ""), (1, 2, ""), (2, 3, "")]),
        ([], []),
    ],
)
def test_words_and_single_tokens(texts, spans):
    assert word_spans(texts) == spans


@given(st.lists(st.text(alphabet="ab ._'", min_size=1, max_size=4), max_size=9))
def test_every_token_is_in_one_span_and_with_its_word(texts):
    spans = word_spans(texts)
    assert [at for start, stop, _ in spans for at in range(start, stop)] == list(range(len(texts)))
    tokenizer = Spelt(*texts)
    for start, stop, words in spans:
        for at in range(start, stop):
            word = word_at(range(len(texts)), at, tokenizer)
            assert (word is None) == (words == "")
            if word is not None:
                assert start <= word.start < word.stop <= stop
                assert word.text in words


def test_a_space_that_decoding_drops_still_parts_words():
    tokenizer = Spelt(" the", " cat", "s", " dog", sentencepiece=True)
    word = word_at([0, 1, 2], 1, tokenizer)
    assert (word.text, word.before, word.left) == ("cats", " ", " the")
    assert word.tokens_of("dog", tokenizer) == (3,)
