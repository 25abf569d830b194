"""Words of a text in token ids: every token belongs to one word, and equal words are found once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from explainers.fasttext.joints import Joints

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# Words are distinguished by this many of their tokens.
TOKENS_OF_A_WORD = 48
NOTHING = -1  # fills a word's row behind its last token

Keys = Int[np.ndarray, "words longest"]


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a batch of contexts, numbered as they stand.

    Attributes:
        of_token: number of the word that each token belongs to, `[batch, pos]`.
        place: which token of its word each token is, from 0, `[batch, pos]`.
        starts: where each word begins, in the flattened tokens, `[w]`.
        lengths: its number of tokens, `[w]`.
        distinct: which distinct word each is, `[w]`.
        keys: token ids of the distinct words, filled up with `NOTHING`, `[u, longest]`.
    """

    of_token: Int[np.ndarray, "batch pos"]
    place: Int[np.ndarray, "batch pos"]
    starts: Int[np.ndarray, " w"]
    lengths: Int[np.ndarray, " w"]
    distinct: Int[np.ndarray, " w"]
    keys: Keys


def words_of(tokens: Int[np.ndarray, "batch pos"], joints: Joints) -> Words:
    """Join tokens into words; a token without letters at its edges is a word by itself."""
    flat = tokens.reshape(-1).astype(np.int64)
    begins = ~joints.continues(tokens).reshape(-1)
    of_token = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, len(flat)))
    place = np.arange(len(flat)) - starts[of_token]
    longest = min(int(lengths.max(initial=1)), TOKENS_OF_A_WORD)
    keys = np.full((len(starts), longest), NOTHING, dtype=np.int64)
    kept = place < longest
    keys[of_token[kept], place[kept]] = flat[kept]
    distinct, first = number_rows(keys)
    shape = tokens.shape
    return Words(
        of_token.reshape(shape), place.reshape(shape), starts, lengths, distinct, keys[first]
    )


def number_rows(keys: Keys) -> tuple[Int[np.ndarray, " words"], Int[np.ndarray, " u"]]:
    """Number equal rows equally; also where the first row of each number is.

    Column by column, so that a column costs only what the rows cost that are so long.
    """
    if not len(keys):
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty
    base = int(keys.max()) + 1
    _, number = np.unique(keys[:, 0], return_inverse=True)
    for column in range(1, keys.shape[1]):
        longer = np.flatnonzero(keys[:, column] != NOTHING)
        if not len(longer):
            break
        # Rows that end before this column keep their number; the others get new ones behind.
        pairs = number[longer] * base + keys[longer, column]
        number[longer] = np.unique(pairs, return_inverse=True)[1] + int(number.max()) + 1
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    return number, first


def stacked(parts: Sequence[Keys]) -> Keys:
    """Return rows of several arrays in one, all filled up to the longest."""
    longest = max((part.shape[1] for part in parts), default=1)
    return np.concatenate(
        [
            np.pad(part, ((0, 0), (0, longest - part.shape[1])), constant_values=NOTHING)
            for part in parts
        ]
        or [np.zeros((0, 1), dtype=np.int64)]
    )


def keys_of(words: Sequence[Sequence[int]]) -> Keys:
    """Return token ids of words as rows."""
    longest = max((len(word) for word in words), default=1)
    rows = np.full((len(words), max(1, longest)), NOTHING, dtype=np.int64)
    for row, word in enumerate(words):
        rows[row, : len(word)] = word
    return rows


def tokens_of_key(key: Int[np.ndarray, " longest"]) -> tuple[int, ...]:
    """Return the ids of one row."""
    return tuple(key[key != NOTHING].tolist())


def core(text: str) -> str:
    """Return the word in a text of joined tokens: its last letters, else what is not space."""
    found = WORD.findall(text)
    return found[-1] if found else text.strip() or text


def affixes(text: str) -> tuple[str, str]:
    """Return what stands before and after the word in a text of joined tokens."""
    before, _, after = text.rpartition(core(text))
    return before, after
