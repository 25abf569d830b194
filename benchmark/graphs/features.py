"""Features by which graphs are compared: a token that it fires on, and one at a distance before."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

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
