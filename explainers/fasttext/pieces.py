"""Pieces of words in token ids, by which a word that was never seen is predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from explainers.fasttext.joints import Joints
from explainers.fasttext.words import NOTHING, Keys, number_rows

TOKENS_OF_A_PIECE = 4


@dataclass(frozen=True, eq=False)
class Pieces:
    """All runs of tokens in the words of a text, a word that is short enough being one itself.

    Attributes:
        keys: token ids of each distinct piece, `[p, TOKENS_OF_A_PIECE]`.
        piece, word: pairs of a piece and a word that it is in, each pair once, `[r]`.
        words: in how many distinct words each piece is, `[p]`.
    """

    keys: Keys
    piece: Int[np.ndarray, " r"]
    word: Int[np.ndarray, " r"]
    words: Int[np.ndarray, " p"]

    def means(
        self, values: Float[np.ndarray, " words"], rest: float, prior: float
    ) -> Float[np.ndarray, " p"]:
        """Return the mean value of each piece's words, `rest` counting as `prior` words more."""
        sums = np.bincount(self.piece, weights=values[self.word], minlength=len(self.keys))
        means: Float[np.ndarray, " p"] = (sums + prior * rest) / (self.words + prior)
        return means

    def largest(
        self, listed: Bool[np.ndarray, " p"], values: Float[np.ndarray, " p"], rest: float, n: int
    ) -> Float[np.ndarray, " words"]:
        """Return for each of `n` words the largest value of the listed pieces in it, or `rest`."""
        result = np.full(n, rest)
        chosen = listed[self.piece]
        np.maximum.at(result, self.word[chosen], values[self.piece[chosen]])
        return result


def pieces_of(keys: Keys, joints: Joints) -> Pieces:
    """Return the pieces of words; a sign or a space is no word here."""
    joining = joints.starts | joints.elided | joints.ends
    rows = np.flatnonzero(joining[keys[:, 0]])
    word, runs = runs_of(keys[rows])
    word = rows[word]
    number, first = number_rows(runs)
    if len(runs):
        pairs = np.unique(np.stack([number, word]), axis=1)
        number, word = pairs[0], pairs[1]
    distinct = runs[first]
    return Pieces(distinct, number, word, np.bincount(number, minlength=len(distinct)))


def runs_of(keys: Keys) -> tuple[Int[np.ndarray, " r"], Keys]:
    """Return every n-gram of up to `TOKENS_OF_A_PIECE` tokens, and the row that it is from."""
    owners, runs = [], []
    for length in range(1, min(TOKENS_OF_A_PIECE, keys.shape[1]) + 1):
        windows = np.lib.stride_tricks.sliding_window_view(keys, length, axis=1)
        row, at = np.nonzero(windows[..., -1] != NOTHING)
        filled = np.full((len(row), TOKENS_OF_A_PIECE), NOTHING, dtype=np.int64)
        filled[:, :length] = windows[row, at]
        owners.append(row)
        runs.append(filled)
    if not owners:
        return np.zeros(0, dtype=np.int64), np.zeros((0, TOKENS_OF_A_PIECE), dtype=np.int64)
    return np.concatenate(owners), np.concatenate(runs)
