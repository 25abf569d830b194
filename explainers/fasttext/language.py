"""Language of a text: its words as tokens, their counts and their vectors."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from explainers.fasttext.joints import Joints
from explainers.fasttext.pieces import Pieces, pieces_of
from explainers.fasttext.vectors import Vectors
from explainers.fasttext.words import Keys, core, number_rows, stacked, tokens_of_key, words_of

CONTEXTS_AT_ONCE = 2048


@dataclass(eq=False)
class Text:
    """Every distinct word of a text.

    Attributes:
        joints: which tokens join.
        texts: the text of every token id.
        keys: token ids of every distinct word, `[u, longest]`.
        counts: how often each occurs, `[u]`.
        lines: for each line of text the distinct words in their order.
    """

    joints: Joints
    texts: Sequence[str]
    keys: Keys
    counts: Int[np.ndarray, " u"]
    lines: list[Int[np.ndarray, " words"]]

    @classmethod
    def read(
        cls, tokens: Int[np.ndarray, "n ctx"], bos: int, joints: Joints, texts: Sequence[str]
    ) -> Text:
        """Find the words of contexts; a BOS ends a line and is no word."""
        parts: list[Keys] = []
        found: list[Int[np.ndarray, " words"]] = []
        before = 0
        for start in range(0, len(tokens), CONTEXTS_AT_ONCE):
            words = words_of(tokens[start : start + CONTEXTS_AT_ONCE], joints)
            parts.append(words.keys)
            found.append(words.distinct + before)
            before += len(words.keys)
        keys = stacked(parts)
        number, first = number_rows(keys)
        keys = keys[first]
        each = number[np.concatenate(found)] if found else np.zeros(0, dtype=np.int64)
        is_end = (keys[:, 0] == bos)[each]
        line, each = np.cumsum(is_end)[~is_end], each[~is_end]
        pieces = np.split(each, np.flatnonzero(np.diff(line)) + 1)
        counts = np.bincount(each, minlength=len(keys))
        kept = np.flatnonzero(counts)
        new = np.zeros(len(keys), dtype=np.int64)
        new[kept] = np.arange(len(kept))
        lines = [new[piece] for piece in pieces if len(piece)]
        return cls(joints, texts, keys[kept], counts[kept], lines)

    @cached_property
    def spelt(self) -> list[str]:
        """Return the text of each distinct word's tokens."""
        texts = self.texts
        return ["".join(texts[token] for token in tokens_of_key(key)) for key in self.keys]

    @cached_property
    def cores(self) -> list[str]:
        """Return the word in it, without spaces and signs around it."""
        return [core(text) for text in self.spelt]

    @cached_property
    def by_core(self) -> Counter[str]:
        """Return how often each word occurs, however its tokens are spelt."""
        counts: Counter[str] = Counter()
        for word, count in zip(self.cores, self.counts.tolist(), strict=True):
            counts[word] += count
        return counts

    @cached_property
    def spellings(self) -> dict[str, tuple[int, ...]]:
        """Return the commonest tokens of each text that occurs."""
        order = np.argsort(self.counts, kind="stable").tolist()
        return {self.spelt[at]: tokens_of_key(self.keys[at]) for at in order}

    def sentences(self, most_words: int) -> list[list[str]]:
        """Return evenly chosen lines as words, with at most about `most_words` words in all."""
        step = max(1, -(-int(self.counts.sum()) // most_words))
        names = np.array(self.cores, dtype=object)
        return [names[line].tolist() for line in self.lines[::step]]

    @cached_property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the words in their order."""
        digest = hashlib.sha256(json.dumps(self.cores).encode())
        for line in self.lines:
            digest.update(line.astype("<i8").tobytes() + b";")
        return digest.hexdigest()


@dataclass(eq=False)
class Language:
    """A text and vectors of its words.

    Attributes:
        text: its words.
        vectors: trained on it, or pretrained.
        trained: whether the vectors were trained on this text.
    """

    text: Text
    vectors: Vectors
    trained: bool = True
    _usable: dict[int, Bool[np.ndarray, " v"]] = field(default_factory=dict, repr=False)

    @cached_property
    def names(self) -> list[str]:
        """Return the distinct words of the text, each once."""
        return list(self.text.by_core)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Return where each of `names` is."""
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def name_of_key(self) -> Int[np.ndarray, " u"]:
        """Return which of `names` each of the text's keys spells."""
        return np.array([self.rows[name] for name in self.text.cores], dtype=np.int64)

    @cached_property
    def units(self) -> Float[np.ndarray, "names d"]:
        """Return unit vectors of `names`; the rare ones from their subwords."""
        return self.vectors.units(self.names)

    @cached_property
    def pieces(self) -> Pieces:
        """Return the pieces that the text's words are made of."""
        return pieces_of(self.text.keys, self.text.joints)

    def units_of(self, words: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Return unit vectors of any words."""
        known = np.array([self.rows.get(word, -1) for word in words], dtype=np.int64)
        found = self.units[known] if len(self.units) else self.vectors.units(words)
        others = np.flatnonzero(known < 0)
        if len(others):
            found[others] = self.vectors.units([words[at] for at in others.tolist()])
        return found

    def neighbours(self, words: Sequence[str], k: int, fewest: int) -> list[list[str]]:
        """Return the nearest words to each; of trained vectors, those that occur often enough."""
        if not self.trained or fewest < 1:
            return self.vectors.nearest(words, k)
        if fewest not in self._usable:
            counts = self.text.by_core
            often = [counts[word] >= fewest for word in self.vectors.words]
            self._usable[fewest] = np.array(often, dtype=bool)
        return self.vectors.nearest(words, k, self._usable[fewest])
