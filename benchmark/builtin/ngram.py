"""A trigram model of the same tokens: what counting alone predicts, to compare the subject with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

from benchmark.builtin.data import TextLoss

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

ORDER = 3
# Where counts of counts are too few to estimate from (a toy corpus).
USUAL_DISCOUNTS = (0.5, 1.0, 1.5)


class KneserNeyTrigram:
    """An interpolated trigram model with modified Kneser-Ney smoothing.

    A document is preceded by two BOS, which are history and never predicted. All probability is
    shared among the `d_vocab - 1` text tokens, so it sums to 1 over them after every history.

    Source: Chen and Goodman 1999, "An empirical study of smoothing techniques for language
    modeling", section 3 and the modification of section 4.1.
    """

    def __init__(
        self, documents: Sequence[Int[np.ndarray, " tokens"]], *, bos: int, d_vocab: int
    ) -> None:
        """Count documents, `[tokens]` each, without BOS."""
        self._bos = bos
        self._d_vocab = d_vocab
        grams, counts = np.unique(
            np.concatenate([np.empty(0, np.int64), *map(self._trigrams, documents)]),
            return_counts=True,
        )
        levels = []
        for order in range(ORDER, 0, -1):
            levels.append(_Level(grams, counts, d_vocab))
            # A shorter gram counts once for each token that it was seen behind.
            grams, counts = np.unique(grams % d_vocab ** (order - 1), return_counts=True)
        self._levels = levels[::-1]

    def log_probabilities(
        self, document: Int[np.ndarray, " tokens"]
    ) -> Float[np.ndarray, " tokens"]:
        """Return the natural logarithm of each token's probability after the two before it."""
        return np.log(self._probabilities(self._trigrams(document)))

    def distribution(self, before: int, last: int) -> Float[np.ndarray, " d_vocab"]:
        """Return the probability of every token after two; that of BOS is 0."""
        grams = (before * self._d_vocab + last) * self._d_vocab + np.arange(self._d_vocab)
        probabilities = self._probabilities(grams)
        probabilities[self._bos] = 0
        return probabilities

    def _probabilities(self, trigrams: Integers) -> Reals:
        probability = np.full(len(trigrams), 1 / (self._d_vocab - 1))
        for order, level in enumerate(self._levels, start=1):
            probability = level.interpolate(trigrams % self._d_vocab**order, probability)
        return probability

    def _trigrams(self, document: Int[np.ndarray, " tokens"]) -> Integers:
        """Return one number for each token and the two before it."""
        padded = np.concatenate([[self._bos] * (ORDER - 1), document]).astype(np.int64)
        return (padded[:-2] * self._d_vocab + padded[1:-1]) * self._d_vocab + padded[2:]


def trigram_loss(
    training: Sequence[Int[np.ndarray, " tokens"]],
    held_out: Sequence[Int[np.ndarray, " tokens"]],
    n_bytes: int,
    *,
    bos: int,
    d_vocab: int,
) -> TextLoss:
    """Return what the trigram model of some documents costs on others.

    Args:
        training: token ids of each document to count, without BOS.
        held_out: likewise, of each document to predict.
        n_bytes: bytes of the documents to predict as UTF-8.
        bos: the id of the BOS token.
        d_vocab: number of ids, BOS among them.
    """
    model = KneserNeyTrigram(training, bos=bos, d_vocab=d_vocab)
    nats = -sum(float(model.log_probabilities(document).sum()) for document in held_out)
    return TextLoss(nats, sum(map(len, held_out)), n_bytes)


class _Level:
    """The discounted counts of the grams of one length, as probabilities after their histories."""

    def __init__(self, grams: Integers, counts: Integers, d_vocab: int) -> None:
        self._d_vocab = d_vocab
        self._grams = grams
        discount = np.asarray([0.0, *discounts(counts)])[np.minimum(counts, 3)]
        self._histories, starts = np.unique(grams // d_vocab, return_index=True)
        total = np.add.reduceat(counts, starts).astype(np.float64)
        self._left_over = np.add.reduceat(discount, starts) / total
        sizes = np.diff(np.append(starts, len(grams)))
        self._share = (counts - discount) / np.repeat(total, sizes)

    def interpolate(self, grams: Integers, shorter: Reals) -> Reals:
        """Return probabilities of grams, given those with the history one token shorter."""
        share, _ = _look_up(self._grams, self._share, grams)
        left_over, known = _look_up(self._histories, self._left_over, grams // self._d_vocab)
        return share + np.where(known, left_over, 1.0) * shorter


def _look_up(
    keys: Integers, values: Reals, wanted: Integers
) -> tuple[Reals, npt.NDArray[np.bool_]]:
    """Return the values of sorted keys, 0 where a key is missing, and which are there."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[place] == wanted
    return np.where(known, values[place], 0.0), known


def discounts(counts: Integers) -> tuple[float, float, float]:
    """Return what is taken off the counts 1, 2, and 3 and more, from the counts of counts.

    With too little text for a sensible estimate (each above 0, or what was not seen would be
    impossible, and at most the count it is taken off) they are the usual ones, 0.5, 1 and 1.5.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if not n[1:5].all():
        return USUAL_DISCOUNTS
    y = n[1] / (n[1] + 2 * n[2])
    found = tuple(float(i - (i + 1) * y * n[i + 1] / n[i]) for i in (1, 2, 3))
    if not all(0 < value <= i for i, value in enumerate(found, start=1)):
        return USUAL_DISCOUNTS
    return found[0], found[1], found[2]
