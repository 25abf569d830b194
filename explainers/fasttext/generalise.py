"""Generalisation from the words that activate a neuron to a prediction for every word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from explainers.fasttext.activating import Seen
from explainers.fasttext.language import Language
from explainers.fasttext.table import UNIT, Table
from explainers.fasttext.words import keys_of, number_rows, stacked

# Similarities below which a word is taken for unlike; 1 stands for: nothing but the word itself.
FLOORS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
# Unseen words at rest that every piece of words is taken to be in besides those that were seen.
PRIOR = 1.0
# Predictions that lie closer together than this part of the maximum are the same.
ALIKE = 0.01


@dataclass(frozen=True)
class Kept:
    """A word that a neuron is known to do something on.

    Attributes:
        name: the word.
        value: the activation that is predicted of it, as a part of the largest one.
        spellings: tokens that it was written with where it was measured.
        origin: the activating word that it is, or that it was tried instead of.
    """

    name: str
    value: float
    spellings: tuple[tuple[int, ...], ...]
    origin: str


def ramp(similarity: Float[np.ndarray, "w k"], floor: float) -> Float[np.ndarray, "w k"]:
    """Return what a similarity counts: 0 up to the floor, 1 for equal vectors, linear between."""
    if floor >= 1:
        return np.zeros_like(similarity)
    return np.clip((similarity - floor) / (1 - floor), 0, 1)


def from_similarity(
    similarity: Float[np.ndarray, "w k"], values: Float[np.ndarray, " k"], rest: float, floor: float
) -> Float[np.ndarray, " w"]:
    """Return the largest activation that kept words hand on to each word, as a part."""
    above = np.maximum(values - rest, 0)
    handed = (ramp(similarity, floor) * above).max(axis=1, initial=0)
    found: Float[np.ndarray, " w"] = rest + handed
    return found


def fit_floor(
    seen: Seen, kept: Sequence[Kept], maximum: float, rest: float, language: Language
) -> float:
    """Fit the floor that predicts the words of the exemplars best, each from all others.

    A word that activates in a single exemplar is predicted without itself and what was tried in
    its place; one that activates in several would tell nothing, as it is known anyway.
    """
    own = {one.name for one in kept if one.name == one.origin}
    words = [word for word in seen.words if word.name not in own or word.exemplars == 1]
    if not words or not kept:
        return 1.0
    similarity = _similarity(language, [word.name for word in words], kept)
    origins = np.array([one.origin for one in kept], dtype=object)
    names = np.array([word.name for word in words], dtype=object)
    similarity[names[:, None] == origins[None, :]] = -1
    target = np.array([word.mean for word in words]) / maximum
    counts = np.array([word.count for word in words])
    values = np.array([one.value for one in kept], dtype=np.float32)
    errors = [
        float((counts * (from_similarity(similarity, values, rest, floor) - target) ** 2).sum())
        for floor in FLOORS
    ]
    return FLOORS[int(np.argmin(errors))]


def make_table(
    seen: Seen,
    kept: Sequence[Kept],
    rejected: Sequence[Kept],
    *,
    maximum: float,
    rest: float,
    floor: float,
    language: Language,
    max_words: int,
    max_pieces: int,
) -> Table:
    """Write down what is predicted of the words of the text, where that matters most.

    A word that was seen not to activate is predicted no higher than it was seen, whatever it is
    similar to. What the table has no room for falls back on pieces of words and on rest.

    Args:
        seen: words of the exemplars.
        kept: words that hand their activation on to similar ones.
        rejected: neighbours on which the activation was lost.
        maximum: the neuron's largest activation, raw units.
        rest: its resting activation, as a part of the largest.
        floor: similarity from which on activation is handed on.
        language: the words of the text and their vectors.
        max_words: words in the table at most.
        max_pieces: pieces in the table at most.
    """
    values = np.array([one.value for one in kept], dtype=np.float32)
    names = from_similarity(_similarity(language, None, kept), values, rest, floor)
    known = _known(seen, kept, rejected, maximum)
    for name, value in known.items():
        row = language.rows.get(name)
        if row is not None:
            names[row] = value if name in _names(kept) else min(names[row], value)
    text = language.text
    predicted = names[language.name_of_key]
    pieces = language.pieces
    means = np.rint(pieces.means(predicted, rest, PRIOR) * UNIT) / UNIT
    gain = np.where(means > rest + ALIKE, (means - rest) ** 2 * pieces.words, 0)
    listed = _largest(gain, max_pieces)
    fallback = pieces.largest(listed, means, rest, len(predicted))
    matters = text.counts * (predicted - fallback) ** 2
    matters[np.abs(predicted - fallback) < ALIKE] = 0
    chosen = np.flatnonzero(_largest(matters, max_words))
    # What was measured comes first, also where it is not in the text.
    measured = [
        (spelling, one.value)
        for one in (*kept, *rejected)
        for spelling in one.spellings
        if spelling
    ][:max_words]
    keys = stacked([keys_of([spelling for spelling, _ in measured]), text.keys[chosen]])
    numbers = np.concatenate([[value for _, value in measured], predicted[chosen]])
    _, first = number_rows(keys)
    first = np.sort(first)[:max_words]
    return Table(
        keys[first],
        _thousandths(numbers[first]),
        pieces.keys[listed],
        _thousandths(means[listed]),
        int(_thousandths(np.array([rest]))[0]),
        _profile(seen),
        maximum,
    )


def _profile(seen: Seen) -> tuple[int, int, int]:
    first, inner, last = _thousandths(np.array(seen.profile)).tolist()
    return first, inner, last


def _names(kept: Sequence[Kept]) -> frozenset[str]:
    return frozenset(one.name for one in kept)


def _known(
    seen: Seen, kept: Sequence[Kept], rejected: Sequence[Kept], maximum: float
) -> Mapping[str, float]:
    """Return what is known of words without similarity; the surest is last."""
    known = {word.name: word.mean / maximum for word in seen.words}
    known |= {one.name: one.value for one in rejected}
    return known | {one.name: one.value for one in kept}


def _similarity(
    language: Language, names: Sequence[str] | None, kept: Sequence[Kept]
) -> Float[np.ndarray, "w k"]:
    units = language.units if names is None else language.units_of(names)
    ours = language.units_of([one.name for one in kept])
    found: Float[np.ndarray, "w k"] = units @ ours.T
    return found


def _largest(gain: Float[np.ndarray, " n"], most: int) -> Bool[np.ndarray, " n"]:
    """Return the entries with the largest gain above zero; of equal ones the first."""
    order = np.argsort(-gain, kind="stable")[:most]
    chosen = np.zeros(len(gain), dtype=bool)
    chosen[order[gain[order] > 0]] = True
    return chosen


def _thousandths(values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    return np.rint(np.asarray(values, dtype=np.float64) * UNIT).astype(np.int64)
