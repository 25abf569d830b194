"""Word vectors with subwords: known words have their own, others the mean of their n-grams'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

# Similarities held at once while the nearest words are looked for.
NUMBERS_AT_ONCE = 1 << 24


@dataclass(eq=False)
class Vectors:
    """FastText vectors (Bojanowski et al. 2017, "Enriching word vectors with subword information").

    Attributes:
        source: where they come from, for a person.
        fingerprint: SHA-256 of what determines them.
        words: the vocabulary.
        matrix: a vector for each, float32, `[v, d]`.
        ngrams: vectors of hashed character n-grams, `[buckets, d]`; None for vectors that came
            without: then an n-gram is the mean of the words that have it.
        shortest, longest: characters of an n-gram, the word being put in angle brackets.
        buckets: number of hashes.
    """

    source: str
    fingerprint: str
    words: list[str]
    matrix: Float[np.ndarray, "v d"]
    ngrams: Float[np.ndarray, "buckets d"] | None
    shortest: int = 3
    longest: int = 6
    buckets: int = 200_000
    _rows: dict[str, int] = field(init=False, repr=False)
    _unit: Float[np.ndarray, "v d"] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._rows = {word: row for row, word in enumerate(self.words)}

    def knows(self, word: str) -> bool:
        """Return whether the word has a vector of its own."""
        return word in self._rows

    def units(self, words: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Return vectors of length 1, known words and others; zero for one without any n-gram."""
        found = np.zeros((len(words), self.matrix.shape[1]), dtype=np.float32)
        rows = np.array([self._rows.get(word, -1) for word in words], dtype=np.int64)
        known = rows >= 0
        found[known] = self.matrix[rows[known]]
        for at in np.flatnonzero(~known).tolist():
            found[at] = self._from_subwords(words[at])
        return _normalised(found)

    def nearest(
        self, words: Sequence[str], k: int, usable: Bool[np.ndarray, " v"] | None = None
    ) -> list[list[str]]:
        """Return the `k` words most similar to each by cosine, nearest first, never itself.

        Args:
            words: any words.
            k: how many.
            usable: which words of the vocabulary may be given; None allows all.
        """
        if self._unit is None:
            self._unit = _normalised(self.matrix)
        rows = np.arange(len(self.words)) if usable is None else np.flatnonzero(usable)
        wanted = min(k + 1, len(rows))
        if not wanted:
            return [[] for _ in words]
        results = []
        units = self.units(words)
        table = self._unit if usable is None else self._unit[rows]
        # One word after the other: a product of matrices may round otherwise for other company.
        for word, unit in zip(words, units, strict=True):
            similarity = table @ unit
            best = np.argpartition(-similarity, wanted - 1)[:wanted]
            best = best[np.lexsort((best, -similarity[best]))]
            names = [self.words[row] for row in rows[best].tolist()]
            results.append([name for name in names if name != word][:k])
        return results

    def _from_subwords(self, word: str) -> Float[np.ndarray, " d"]:
        if self.ngrams is None:
            self.ngrams = self._ngrams_of_words()
        hashes = self._hashes(word)
        if not len(hashes):
            return np.zeros(self.matrix.shape[1], dtype=np.float32)
        mean: Float[np.ndarray, " d"] = self.ngrams[hashes].mean(0)
        return mean

    def _ngrams_of_words(self) -> Float[np.ndarray, "buckets d"]:
        """Return for each n-gram the mean of the unit vectors of the words that have it.

        As in "Generalizing word embeddings using bag of subwords" (Zhao et al. 2018), without
        their training.
        """
        sums = np.zeros((self.buckets, self.matrix.shape[1]), dtype=np.float32)
        counts = np.zeros(self.buckets, dtype=np.float32)
        for word, unit in zip(self.words, _normalised(self.matrix), strict=True):
            hashes = self._hashes(word)
            sums[hashes] += unit
            counts[hashes] += 1
        return sums / np.maximum(counts, 1)[:, None]

    def _hashes(self, word: str) -> Int[np.ndarray, " ngrams"]:
        from gensim.models.fasttext import ft_ngram_hashes

        found = ft_ngram_hashes(word, self.shortest, self.longest, self.buckets)
        return np.asarray(found, dtype=np.int64)


def coherence(units: Float[np.ndarray, "n d"]) -> float | None:
    """Return mean cosine similarity over all pairs of different words; None for fewer than two."""
    n = len(units)
    if n < 2:
        return None
    total = units.astype(np.float64).sum(0)
    own = float((units.astype(np.float64) ** 2).sum())
    return (float(total @ total) - own) / (n * (n - 1))


def _normalised(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Float[np.ndarray, "n d"] = vectors / np.where(lengths > 0, lengths, 1)
    return result
