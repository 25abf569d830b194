"""The words of a neuron's exemplars, and those among them that activate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from explainers.fasttext.joints import Joints
from explainers.fasttext.words import NOTHING, Words, core, tokens_of_key, words_of

# Places of a token in its word, by which a word of several tokens shares out its activation.
FIRST, INNER, LAST, ONLY = 0, 1, 2, 3
PLACES = 4


@dataclass(frozen=True)
class Occurrence:
    """One word of an exemplar.

    Attributes:
        exemplar: which one.
        start, stop: its tokens are `tokens[start:stop]`.
        activation: the largest on any of them, raw units.
    """

    exemplar: int
    start: int
    stop: int
    activation: float


@dataclass(frozen=True)
class SeenWord:
    """What a neuron's exemplars show of a word.

    Attributes:
        name: the word.
        spellings: the different tokens it was written with.
        strongest: where it activated most.
        mean: of its activation over all its occurrences, raw units.
        count: occurrences.
        exemplars: in how many exemplars it occurs.
    """

    name: str
    spellings: tuple[tuple[int, ...], ...]
    strongest: Occurrence
    mean: float
    count: int
    exemplars: int


@dataclass(frozen=True)
class Seen:
    """All words of a neuron's exemplars, strongest first, and how a word's tokens share it.

    Attributes:
        words: every distinct word.
        profile: activation of a word's first, inner and last tokens as a part of the word's, from
            activating words of several tokens; 1 where there is none.
    """

    words: tuple[SeenWord, ...]
    profile: tuple[float, float, float]


def seen_words(
    tokens: Int[np.ndarray, "k ctx"],
    activations: Float[np.ndarray, "k ctx"],
    bos: int,
    joints: Joints,
    texts: Sequence[str],
    threshold: float,
) -> Seen:
    """Join the tokens of a neuron's exemplars into words and see what each does.

    Args:
        tokens: the exemplars.
        activations: the true activations there, raw units.
        bos: no word.
        joints: which tokens join.
        texts: the text of every token id.
        threshold: activation, in raw units, from which on a word is activating.
    """
    found = words_of(tokens, joints)
    flat = activations.reshape(-1).astype(np.float64)
    strength = np.maximum.reduceat(flat, found.starts) if len(flat) else np.zeros(0)
    exemplar, start = np.divmod(found.starts, tokens.shape[1])
    of_name: dict[str, list[int]] = {}
    for row, key in enumerate(found.keys):
        if key[0] != bos:
            name = core("".join(texts[token] for token in key[key != NOTHING].tolist()))
            of_name.setdefault(name, []).append(row)
    members = _members(found.distinct, len(found.keys))
    words = []
    for name, rows in of_name.items():
        at = np.sort(np.concatenate([members[row] for row in rows]))
        best = int(at[np.argmax(strength[at])])
        words.append(
            SeenWord(
                name,
                tuple(sorted(tokens_of_key(found.keys[row]) for row in rows)),
                Occurrence(
                    int(exemplar[best]),
                    int(start[best]),
                    int(start[best] + found.lengths[best]),
                    float(strength[best]),
                ),
                float(strength[at].mean()),
                len(at),
                len(np.unique(exemplar[at])),
            )
        )
    words.sort(key=lambda word: (-word.strongest.activation, word.name))
    return Seen(tuple(words), _profile(found, flat, strength, threshold))


def _members(distinct: Int[np.ndarray, " w"], n: int) -> list[Int[np.ndarray, " members"]]:
    """Return for each distinct word its occurrences."""
    order = np.argsort(distinct, kind="stable")
    return np.split(order, np.cumsum(np.bincount(distinct, minlength=n))[:-1])


def _profile(
    found: Words,
    activations: Float[np.ndarray, " tokens"],
    strength: Float[np.ndarray, " w"],
    threshold: float,
) -> tuple[float, float, float]:
    word = found.of_token.reshape(-1)
    chosen = (found.lengths > 1) & (strength >= threshold) & (strength > 0)
    tokens = chosen[word] if len(chosen) else np.zeros(0, dtype=bool)
    place = places(found)[tokens]
    parts = np.clip(activations[tokens] / strength[word[tokens]], 0, 1)
    sums = np.bincount(place, weights=parts, minlength=3)
    counts = np.bincount(place, minlength=3)
    first, inner, last = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0).tolist()
    return first, inner, last


def places(words: Words) -> Int[np.ndarray, " tokens"]:
    """Return each token's place in its word: first, inner, last or only; flat."""
    place = words.place.reshape(-1)
    length = words.lengths[words.of_token.reshape(-1)]
    kind = np.where(place == length - 1, LAST, np.where(place == 0, FIRST, INNER))
    return np.where(length == 1, ONLY, kind)
