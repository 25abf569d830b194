"""The trigram model equals a slow one made of dictionaries, and its probabilities sum to 1."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.builtin.ngram import KneserNeyTrigram, discounts

BOS = 0


class SlowTrigram:
    """Modified Kneser-Ney as it is written down, one gram at a time."""

    def __init__(self, documents, d_vocab):
        self.d_vocab = d_vocab
        trigrams = Counter()
        for document in documents:
            padded = [BOS, BOS, *document]
            trigrams.update(zip(padded, padded[1:], padded[2:], strict=False))
        behind_two, behind_one = defaultdict(set), defaultdict(set)
        for a, b, c in trigrams:
            behind_two[b, c].add(a)
            behind_one[c,].add((b,))
        self.counts = {
            3: trigrams,
            2: {gram: len(before) for gram, before in behind_two.items()},
            1: {gram: len(before) for gram, before in behind_one.items()},
        }

    def discount(self, order, count):
        of_counts = Counter(self.counts[order].values())
        n1, n2, n3, n4 = (of_counts[i] for i in (1, 2, 3, 4))
        usual = [0.5, 1.0, 1.5]
        if n1 and n2 and n3 and n4:
            y = n1 / (n1 + 2 * n2)
            found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            if 0 < found[0] <= 1 and 0 < found[1] <= 2 and 0 < found[2] <= 3:
                usual = found
        return usual[min(count, 3) - 1]

    def probability(self, gram):
        order = len(gram)
        if order == 0:
            return 1 / (self.d_vocab - 1)
        shorter = self.probability(gram[1:])
        seen = {g: c for g, c in self.counts[order].items() if g[:-1] == gram[:-1]}
        if not seen:
            return shorter
        total = sum(seen.values())
        left_over = sum(self.discount(order, count) for count in seen.values())
        count = seen.get(gram, 0)
        share = count - self.discount(order, count) if count else 0.0
        return (share + left_over * shorter) / total


def corpus(seed, n_documents=8, d_vocab=7, longest=25):
    """Documents of a skewed vocabulary, so that counts of 1, 2, 3 and 4 all occur."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, d_vocab) ** 1.5
    return [
        rng.choice(np.arange(1, d_vocab), rng.integers(1, longest), p=weights / weights.sum())
        for _ in range(n_documents)
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n_documents=st.integers(1, 10), d_vocab=st.integers(3, 9))
@example(seed=144, n_documents=3, d_vocab=3)  # an estimated discount of 0
def test_it_equals_the_slow_one(seed, n_documents, d_vocab):
    documents = corpus(seed, n_documents, d_vocab)
    fast = KneserNeyTrigram(documents, bos=BOS, d_vocab=d_vocab)
    slow = SlowTrigram(documents, d_vocab)
    for document in corpus(seed + 1, 2, d_vocab):
        padded = [BOS, BOS, *document.tolist()]
        expected = [
            math.log(slow.probability(tuple(padded[i : i + 3]))) for i in range(len(document))
        ]
        assert fast.log_probabilities(document).tolist() == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), before=st.integers(0, 8), last=st.integers(0, 8))
def test_probabilities_sum_to_one_after_any_history(seed, before, last):
    """After histories that were seen, half seen and never seen; BOS is never predicted."""
    model = KneserNeyTrigram(corpus(seed, d_vocab=7), bos=BOS, d_vocab=9)
    found = model.distribution(before, last)
    assert found.sum() == pytest.approx(1)
    assert found[BOS] == 0
    assert (found[1:] > 0).all()


def test_discounts_are_estimated_where_the_text_allows():
    counts = np.asarray([1] * 50 + [2] * 20 + [3] * 10 + [4] * 6 + [9] * 4)
    y = 50 / 90
    expected = (1 - 2 * y * 20 / 50, 2 - 3 * y * 10 / 20, 3 - 4 * y * 6 / 10)
    assert discounts(counts) == pytest.approx(expected)
    assert discounts(np.asarray([1, 1, 2])) == (0.5, 1.0, 1.5)


def test_what_was_counted_is_likelier_than_what_was_not():
    documents = [np.asarray([1, 2, 3, 1, 2, 3, 1, 2, 3])] * 3
    model = KneserNeyTrigram(documents, bos=BOS, d_vocab=6)
    after = model.distribution(1, 2)
    assert after.argmax() == 3
    assert after[3] > 0.5
    assert model.log_probabilities(np.empty(0, np.int64)).shape == (0,)
