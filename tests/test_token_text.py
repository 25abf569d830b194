"""Tokens are shown so that every character can be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.subject.planted import planted_tokenizer
from benchmark.token_text import text_within, visible, visible_token, visible_within


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" the", "·the"),
        ("a\n\tb\r", "a↵→b␍"),
        ("\x00\x1b", "\\x00\\x1b"),
        ("ünï", "ünï"),
        ("\u200b", "\\u200b"),
        ("a·b→", "a\\u00b7b\\u2192"),  # these letters themselves, not a space and a tab
        ("ab" * 25, "ab" * 19 + "a…"),
        ("\n" + " " * 39, "↵" + "·" * 39),
        ("\n" + " " * 40, "↵·×40"),
        ("\n" + " " * 48, "↵·×48"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


class Tokenizer:
    """Decodes like a sentencepiece or a byte-level tokenizer, and fails on id 3."""

    spellings = ("▁cat", "Ã", "")

    def decode(self, ids):
        return ("cat", "\ufffd", "")[ids[0]]

    def convert_ids_to_tokens(self, token):
        return self.spellings[token]


@pytest.mark.parametrize(("token", "shown"), [(0, "·cat"), (1, "<0xC3>"), (2, "#2"), (3, "#3")])
def test_tokens_of_several_tokenizers(token, shown):
    assert visible_token(Tokenizer(), token) == shown


def test_no_two_tokens_of_the_built_in_subject_look_the_same():
    from tokenizers import Tokenizer as Library

    import benchmark.builtin

    folder = Path(benchmark.builtin.__file__).parent / "solu_tiny"
    tokenizer = Library.from_file(str(folder / "tokenizer.json"))
    tokens = range(tokenizer.get_vocab_size())
    assert len({visible_token(tokenizer, token) for token in tokens}) == len(tokens)


def test_no_two_tokens_of_a_byte_level_tokenizer_look_the_same():
    from tokenizers import Tokenizer as Library
    from tokenizers import decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, "ĠâĢ", "Ã¢", "âĢĻ", "Ä¡", "Ġthe", "Â·", "ĊĠ"]
    tokenizer = Library(models.BPE({word: i for i, word in enumerate(words)}, []))
    tokenizer.decoder = decoders.ByteLevel()
    shown = [visible_token(tokenizer, token) for token in range(len(words))]
    assert len(set(shown)) == len(words)
    named = dict(zip(words, shown, strict=True))
    assert named["â"] == "<0xE2>"
    assert named["Ã¢"] == "â"
    assert named["ĠâĢ"] == "·<0xE2><0x80>"
    assert named["âĢĻ"] == "’"
    assert named["Â·"] == "\\u00b7"
    assert named["ĊĠ"] == "↵·"
    assert named["a"] == "a"


def test_whole_words_are_parted_where_they_are_shown_together():
    tokenizer = planted_tokenizer()
    token = tokenizer.get_vocab()["return"]
    assert visible_token(tokenizer, token) == "return"
    assert text_within(tokenizer, token) == " return"
    assert visible_within(tokenizer, token) == "·return"
