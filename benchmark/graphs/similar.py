"""Pairs of near-equal and of nested graphs among many, without comparing all pairs.

Graphs are compared by features: a token that the neuron fires on, and one at a distance before it.
Of two sets that share at least o items, the smaller shares one of its len - o + 1 rarest with the
other (prefix filtering: Chaudhuri et al. 2006, "A primitive operator for similarity joins in data
cleaning"). Only pairs that do are counted out, and equal sets are counted once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from benchmark.graphs.graph import NeuronGraph, Pattern

# Token, distance and token share the 63 bits of one number.
BITS = 21
LARGEST = (1 << BITS) - 1


def features(graph: NeuronGraph) -> Int[np.ndarray, " items"]:
    """Return the items of a graph, as sorted numbers, each once.

    An item is an activating token alone, or with one context token at a distance in tokens. All
    alternatives count, and all lengths of a gap.
    """
    found: set[int] = set()
    for pattern in graph.patterns:
        found |= of_pattern(graph, pattern)
    return np.array(sorted(found), dtype=np.int64)


def of_pattern(graph: NeuronGraph, pattern: Pattern) -> set[int]:
    """Return the items of one pattern."""
    ends = graph.nodes[pattern.nodes[-1]].tokens
    found = {packed(end, 0, end) for end in ends}
    distances = {0}
    for node in (graph.nodes[index] for index in reversed(pattern.nodes[:-1])):
        if node.is_any:
            distances = {at + length for at in distances for length in node.lengths}
            continue
        distances = {at + 1 for at in distances}
        found.update(
            packed(end, at, token) for end in ends for at in distances for token in node.tokens
        )
    return found


def alike(graph: NeuronGraph, other: NeuronGraph) -> Pattern:
    """Return the pattern that shares most with another graph, the strongest of these."""
    shared = set(features(graph).tolist()) & set(features(other).tolist())
    return max(
        graph.strongest_first(), key=lambda pattern: len(shared & of_pattern(graph, pattern))
    )


def packed(end: int, distance: int, token: int) -> int:
    """Return an item as one number.

    Raises:
        ValueError: an id or a distance is too large or negative.
    """
    if not (0 <= end <= LARGEST and 0 <= distance <= LARGEST and 0 <= token <= LARGEST):
        raise ValueError(f"an item cannot be {(end, distance, token)}")
    return (end << 2 * BITS) | (distance << BITS) | token


# Entries of a product of sparse matrices that are made at once: bounds memory.
ENTRIES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Pair:
    """Two neurons, by their place in the list given.

    Attributes:
        first, second: the smaller graph first; of equal ones the one that was given first.
        shared: items that both graphs hold.
        sizes: items of the first and of the second.
        similarity: shared items as a part of all that either holds.
    """

    first: int
    second: int
    shared: int
    sizes: tuple[int, int]

    @property
    def similarity(self) -> float:
        """Return the Jaccard index of the two sets of items."""
        return self.shared / (sum(self.sizes) - self.shared)

    @property
    def contained(self) -> float:
        """Return the part of the smaller graph that is in the larger one."""
        return self.shared / min(self.sizes)


@dataclass(frozen=True)
class SimilarPairs:
    """What was found.

    Attributes:
        n_equal: pairs that hold the same items.
        n_near: further pairs whose similarity reaches the threshold.
        n_nested: further pairs of which one graph is contained in the other by the threshold.
        near: the most similar of the equal and near-equal pairs, larger ones first.
        nested: the nested pairs that share the most.
    """

    n_equal: int
    n_near: int
    n_nested: int
    near: tuple[Pair, ...]
    nested: tuple[Pair, ...]


def similar_pairs(
    items: Sequence[Int[np.ndarray, " items"]], threshold: float, top: int
) -> SimilarPairs:
    """Count and rank pairs of sets.

    Args:
        items: for each graph its items (`features`), sorted, each once; empty ones pair with none.
        threshold: above 0, at most 1.
        top: how many pairs of each kind to give.
    """
    members = _groups(items)
    sets = list(members)
    sizes = np.array([len(each) // 8 for each in sets], dtype=np.int64)
    copies = np.array([len(members[each]) for each in sets], dtype=np.int64)
    near, nested = _Best(top), _Best(top)
    n_equal = int((copies * (copies - 1) // 2).sum())
    same = np.flatnonzero(copies > 1)
    near.add(same, same, sizes[same], np.ones(len(same)))
    n_near = n_nested = 0
    for small, large, shared in _candidates(sets, sizes, threshold):
        similarity = shared / (sizes[small] + sizes[large] - shared)
        is_near = similarity >= threshold
        is_nested = ~is_near & (shared >= threshold * sizes[small])
        weight = copies[small] * copies[large]
        n_near += int(weight[is_near].sum())
        n_nested += int(weight[is_nested].sum())
        near.add(small[is_near], large[is_near], shared[is_near], similarity[is_near])
        part = shared[is_nested] / sizes[small[is_nested]]
        nested.add(small[is_nested], large[is_nested], shared[is_nested], part)
    owners = list(members.values())
    found = [
        tuple(islice(_pairs(best, owners, sizes), top) if top else ()) for best in (near, nested)
    ]
    return SimilarPairs(n_equal, n_near, n_nested, found[0], found[1])


def _groups(items: Sequence[Int[np.ndarray, " items"]]) -> dict[bytes, list[int]]:
    """Return the owners of each distinct set that is not empty."""
    members: dict[bytes, list[int]] = {}
    for owner, each in enumerate(items):
        if len(each):
            members.setdefault(np.ascontiguousarray(each, np.int64).tobytes(), []).append(owner)
    return members


def _candidates(
    sets: Sequence[bytes], sizes: Int[np.ndarray, " n"], threshold: float
) -> Iterator[
    tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]
]:
    """Yield pairs of distinct sets that may share enough, once: smaller, larger, items shared."""
    if not sets:
        return
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    _, item, often = np.unique(
        np.frombuffer(b"".join(sets), dtype=np.int64), return_inverse=True, return_counts=True
    )
    row = np.repeat(np.arange(len(sets)), sizes)
    ones = np.ones(len(item), dtype=np.int32)
    whole = csr_matrix((ones, item, bounds), shape=(len(sets), len(often)))
    columns = whole.T.tocsr()
    # The rarest items of every set, of which a large enough part of it must hold one.
    order = np.lexsort((item, often[item], row))
    rank = np.arange(len(item)) - bounds[row]
    needed = np.array([least_shared(int(size), threshold) for size in sizes.tolist()])
    prefix = order[rank < (sizes - needed + 1)[row]]
    rarest = csr_matrix(
        (np.ones(len(prefix), np.int32), (row[prefix], item[prefix])), shape=whole.shape
    )
    work = np.zeros(len(sets), dtype=np.int64)
    np.add.at(work, row[prefix], often[item[prefix]])
    for start, stop in _blocks(work):
        met = (rarest[start:stop] @ columns).tocoo()
        small, large = met.row.astype(np.int64) + start, met.col.astype(np.int64)
        kept = (sizes[large] > sizes[small]) | ((sizes[large] == sizes[small]) & (large > small))
        small, large = small[kept], large[kept]
        shared = _shared(whole, small, large, sizes)
        enough = shared >= needed[small]
        yield small[enough], large[enough], shared[enough]


def least_shared(size: int, threshold: float) -> int:
    """Return the fewest items that are at least this part of a set, rounded as `shared / size`."""
    least = math.ceil(size * threshold)
    while least > 1 and (least - 1) / size >= threshold:
        least -= 1
    return max(1, least)


def _blocks(work: Int[np.ndarray, " n"]) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows whose products are of bounded size."""
    total = np.cumsum(work)
    start = 0
    while start < len(work):
        before = total[start - 1] if start else 0
        stop = int(np.searchsorted(total, before + ENTRIES_AT_ONCE, side="right"))
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def _shared(
    whole: csr_matrix,
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
    sizes: Int[np.ndarray, " n"],
) -> Int[np.ndarray, " pairs"]:
    """Return how many items each pair shares."""
    found = np.zeros(len(first), dtype=np.int64)
    for start, stop in _blocks(sizes[first] + sizes[second]):
        both = whole[first[start:stop]].multiply(whole[second[start:stop]])
        found[start:stop] = np.asarray(both.sum(axis=1)).ravel()
    return found


class _Best:
    """The best pairs of distinct sets so far: by score, then by shared items, then as given."""

    def __init__(self, top: int) -> None:
        self.top = top
        self.rows: list[Float[np.ndarray, "4 pairs"]] = [np.zeros((4, 0))]
        self.n = 0

    def add(
        self,
        first: Int[np.ndarray, " pairs"],
        second: Int[np.ndarray, " pairs"],
        shared: Int[np.ndarray, " pairs"],
        score: Float[np.ndarray, " pairs"],
    ) -> None:
        self.rows.append(np.stack([-score, -shared, first, second]).astype(np.float64))
        self.n += len(first)
        if self.n > ENTRIES_AT_ONCE:
            self.rows = [self.sorted()]
            self.n = self.rows[0].shape[1]

    def sorted(self) -> Float[np.ndarray, "4 pairs"]:
        rows = np.concatenate(self.rows, axis=1)
        return rows[:, np.lexsort(rows[::-1])][:, : self.top]


def _pairs(
    best: _Best, owners: Sequence[list[int]], sizes: Int[np.ndarray, " n"]
) -> Iterator[Pair]:
    """Yield the pairs of neurons that the best pairs of sets stand for, best first."""
    for _, shared, first, second in best.sorted().T.tolist():
        i, j = int(first), int(second)
        chosen = combinations(owners[i], 2) if i == j else product(owners[i], owners[j])
        for one, other in chosen:
            yield Pair(one, other, int(-shared), (int(sizes[i]), int(sizes[j])))
