"""Joining tokens into words: against regular expressions on the text, and for odd tokenizers."""

from __future__ import annotations

import base64
import random
import zlib
from collections import Counter

import numpy as np
import pytest
from tokenizers import Tokenizer as Raw
from tokenizers import models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from explainers.fasttext.joints import Joints, old_text, token_texts
from explainers.fasttext.language import Text
from explainers.fasttext.pieces import TOKENS_OF_A_PIECE, pieces_of, runs_of
from explainers.fasttext.words import (
    NOTHING,
    WORD,
    affixes,
    core,
    keys_of,
    number_rows,
    tokens_of_key,
    words_of,
)

TEXTS = [
    "<bos>", " a", "b", "c", "'", "'t", ".", " ", "é", "x1", "1x", "_y", "\n", "d.", ".e", " D",
]  # fmt: skip


def slow_words(texts):
    """Groups of tokens that a word of the joined text spans, as pairs of start and stop."""
    bounds = np.cumsum([0, *map(len, texts)]).tolist()
    spans = [match.span() for match in WORD.finditer("".join(texts))]
    groups = [[0, 1]]
    for at in range(1, len(texts)):
        if any(start < bounds[at] < stop for start, stop in spans):
            groups[-1][1] = at + 1
        else:
            groups.append([at, at + 1])
    return [tuple(group) for group in groups]


@pytest.mark.parametrize("seed", range(30))
def test_words_are_those_of_the_joined_text(seed):
    rng = random.Random(seed)
    joints = Joints.of(TEXTS, 0)
    tokens = np.array([[rng.randrange(1, len(TEXTS)) for _ in range(12)] for _ in range(5)])
    found = words_of(tokens, joints)
    groups = []
    for row, context in enumerate(tokens.tolist()):
        for start, stop in slow_words([TEXTS[token] for token in context]):
            groups.append((row, start, stop, tuple(context[start:stop])))
    assert found.starts.tolist() == [row * 12 + start for row, start, _, _ in groups]
    assert found.lengths.tolist() == [stop - start for _, start, stop, _ in groups]
    assert [tokens_of_key(found.keys[at]) for at in found.distinct] == [key for *_, key in groups]
    assert len({key for *_, key in groups}) == len(found.keys)
    flat = [(number, at) for number, group in enumerate(groups) for at in range(len(group[3]))]
    pairs = zip(found.of_token.reshape(-1).tolist(), found.place.reshape(-1).tolist(), strict=True)
    assert list(pairs) == flat


def test_a_word_is_what_its_text_ends_in():
    assert core(" list") == "list"
    assert core(".assertEqual") == "assertEqual"
    assert core("foo.bar") == "bar"
    assert core("don't") == "don't"
    assert core(" ):") == "):"
    assert core("\n    ") == "\n    "
    assert core(" 42") == "42"
    assert affixes(" (list") == (" (", "list"[:0])
    assert affixes("\n") == ("", "")
    assert affixes(" the,") == (" ", ",")


def test_bos_joins_nothing():
    joints = Joints.of(["bos", "a"], 0)
    found = words_of(np.array([[0, 1, 1, 0, 1]]), joints)
    assert found.lengths.tolist() == [1, 2, 1, 1]


def test_ids_that_the_tokenizer_does_not_have_are_no_words():
    joints = Joints.of(["<bos>", "a"], 0)
    assert words_of(np.array([[0, 1, 7, 1]]), joints).lengths.tolist() == [1, 1, 1, 1]


def test_joints_saved_and_loaded():
    joints = Joints.of(TEXTS, 0)
    again = Joints.from_text(joints.to_text())
    for name in ("starts", "elided", "ends", "apostrophes"):
        assert np.array_equal(getattr(again, name), getattr(joints, name))
    masks = (joints.starts, joints.elided, joints.ends, joints.apostrophes)
    raw = zlib.compress(b"".join(np.packbits(mask).tobytes() for mask in masks))
    bits = base64.b64encode(raw).decode()
    assert old_text(len(TEXTS), bits) == joints.to_text()
    for n, damaged in ((99, bits), (16, "AAAA")):
        with pytest.raises(ValueError, match=r"damaged|masks"):
            old_text(n, damaged)


def test_a_tokenizer_of_whole_words_joins_nothing():
    raw = Raw(models.WordLevel({"<bos>": 0, "red": 1, "blue": 2}, unk_token="<bos>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<bos>")
    texts = token_texts(tokenizer, 4)  # an embedding of one row more than there are ids
    joints = Joints.of(texts, 0)
    assert words_of(np.array([[0, 1, 2, 1]]), joints).lengths.tolist() == [1, 1, 1, 1]


class SentencePiece:
    pieces = ("<s>", "▁of", "▁the", "re", "ad")

    def decode(self, ids):
        return "".join(self.pieces[token] for token in ids).replace("▁", " ").lstrip(" ")

    def convert_ids_to_tokens(self, token):
        return self.pieces[token]


def test_the_space_of_sentencepiece_divides_words():
    texts = token_texts(SentencePiece(), 5)
    assert texts == ["<s>", " of", " the", "re", "ad"]
    words = words_of(np.array([[0, 1, 2, 3, 4]]), Joints.of(texts, 0))
    assert words.lengths.tolist() == [1, 1, 3]


def test_rows_are_numbered_by_what_they_hold():
    rng = random.Random(0)
    rows = [[rng.randrange(3) for _ in range(rng.randrange(1, 5))] for _ in range(300)]
    number, first = number_rows(keys_of(rows))
    for at, row in enumerate(rows):
        assert rows.index(row) == first[number[at]]
    assert len(first) == len({tuple(row) for row in rows})
    assert [part.tolist() for part in number_rows(keys_of([]))] == [[], []]


def test_runs_and_pieces_are_all_there_are():
    rng = random.Random(1)
    rows = [[rng.randrange(1, 4) for _ in range(rng.randrange(1, 7))] for _ in range(20)]
    expected = Counter(
        (at, tuple(row[start : start + length]))
        for at, row in enumerate(rows)
        for length in range(1, TOKENS_OF_A_PIECE + 1)
        for start in range(len(row) - length + 1)
    )
    owner, runs = runs_of(keys_of(rows))
    found = Counter((at, tokens_of_key(run)) for at, run in zip(owner.tolist(), runs, strict=True))
    assert found == expected
    pieces = pieces_of(keys_of(rows), Joints.of(["", "a", "b", "c"], 0))
    listed = [tokens_of_key(key) for key in pieces.keys]
    pairs = {(at, listed[p]) for p, at in zip(pieces.piece, pieces.word.tolist(), strict=True)}
    assert pairs == set(expected)
    assert pieces.words.tolist() == [sum(q == piece for _, q in pairs) for piece in listed]


def test_a_text_is_read_in_lines_between_documents():
    texts = ["<bos>", " a", "b", " c"]
    tokens = np.array([[0, 1, 2, 0, 3], [0, 3, 3, 1, 0], [0, 1, 2, 3, 3]])
    text = Text.read(tokens, 0, Joints.of(texts, 0), texts)
    lines = [[text.cores[at] for at in line] for line in text.lines]
    assert lines == [["ab"], ["c"], ["c", "c", "a"], ["ab", "c", "c"]]
    assert text.by_core == Counter({"c": 5, "ab": 2, "a": 1})
    assert text.sentences(100) == lines
    assert text.sentences(4) == [["ab"], ["c", "c", "a"]]
    assert NOTHING not in text.counts
