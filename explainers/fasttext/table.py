"""Table of a neuron's predictions for words, in token ids, and joint look-up in many tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from explainers.fasttext.activating import PLACES, places
from explainers.fasttext.joints import Joints
from explainers.fasttext.pieces import runs_of
from explainers.fasttext.words import Keys, number_rows, stacked, words_of

# Values are kept in thousandths of the neuron's largest activation.
UNIT = 1000
PAIRS_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class Table:
    """The words and pieces of words whose prediction differs from the resting one.

    Attributes:
        words: token ids of words, each once, `[w, longest]`.
        values: what is predicted of each, thousandths of the largest activation, `[w]`.
        pieces: token ids of pieces, `[p, TOKENS_OF_A_PIECE]`.
        piece_values: what is predicted of a word that is not listed and has this piece; the
            largest of several counts, `[p]`.
        rest: prediction for all other words, thousandths.
        profile: what a first, an inner and the last token of a word gets of it, thousandths.
        maximum: the neuron's largest activation, raw units.
    """

    words: Keys
    values: Int[np.ndarray, " w"]
    pieces: Keys
    piece_values: Int[np.ndarray, " p"]
    rest: int
    profile: tuple[int, int, int]
    maximum: float


def simulate_tables(
    tables: Sequence[Table], joints: Joints, tokens: Int[np.ndarray, "batch pos"]
) -> Float[np.ndarray, "batch pos n"]:
    """Predict every token from the word that it is part of, in raw units, float32.

    Each distinct word is looked up once, in all tables together. A token in the middle of a word
    is predicted from the whole word, which a simulation is given.
    """
    n = len(tables)
    rest = np.array([table.rest for table in tables], dtype=np.float32)
    scale = np.array([table.maximum / UNIT for table in tables], dtype=np.float32)
    if not tokens.size:
        return np.zeros((*tokens.shape, n), dtype=np.float32)
    words = words_of(tokens, joints)
    above = _values(tables, words.keys) - rest
    # A word of one token keeps what is predicted of it.
    shares = np.array([[*table.profile, UNIT] for table in tables], dtype=np.float32)
    profile = shares.T / np.float32(UNIT)
    # Rows of what is predicted: one for each word and place in it that occurs.
    where = words.distinct[words.of_token.reshape(-1)] * PLACES + places(words)
    kinds, where = np.unique(where, return_inverse=True)
    word, place = np.divmod(kinds, PLACES)
    predicted = (rest + above[word] * profile[place]) * scale
    found: Float[np.ndarray, "tokens n"] = predicted[where]
    return found.reshape(*tokens.shape, n)


def _values(tables: Sequence[Table], keys: Keys) -> Float[np.ndarray, "u n"]:
    """Return what each table predicts of each word, thousandths."""
    rest = np.array([table.rest for table in tables], dtype=np.float32)
    result = np.tile(rest, (len(keys), 1))
    owner, runs = runs_of(keys)
    pairs, entries = _matches([table.pieces for table in tables], runs)
    sizes = [len(table.pieces) for table in tables]
    neuron = np.repeat(np.arange(len(tables)), sizes)
    values = np.concatenate([table.piece_values for table in tables]).astype(np.float32)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some, listed = pairs[start : start + PAIRS_AT_ONCE], entries[start : start + PAIRS_AT_ONCE]
        np.maximum.at(result, (owner[some], neuron[listed]), values[listed])
    # A word that is listed is what it is listed as, whatever its pieces say.
    pairs, entries = _matches([table.words for table in tables], keys)
    neuron = np.repeat(np.arange(len(tables)), [len(table.words) for table in tables])
    values = np.concatenate([table.values for table in tables]).astype(np.float32)
    result[pairs, neuron[entries]] = values[entries]
    return result


def _matches(
    listed: Sequence[Keys], keys: Keys
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Return all pairs of a row of `keys` and an equal row of the `listed` ones."""
    number, _ = number_rows(stacked([*listed, keys]))
    n_listed = sum(map(len, listed))
    entries, rows = number[:n_listed], number[n_listed:]
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    low = np.searchsorted(ordered, entries, "left")
    high = np.searchsorted(ordered, entries, "right")
    counts = high - low
    entry = np.repeat(np.arange(n_listed), counts)
    within = np.arange(len(entry)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[low[entry] + within], entry
