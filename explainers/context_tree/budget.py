"""The largest tree that fits into so many bytes."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.results import explanation_bytes
from explainers.context_tree.explanation import ContextTreeExplanation

# The search ends when the explanation fills this part of what it may.
FULL = 0.98
BYTES_A_NODE = 2.5


def largest_within(
    build: Callable[[int], ContextTreeExplanation], most: int, max_bytes: int
) -> ContextTreeExplanation:
    """The explanation of as many nodes as its saved form has room for.

    Args:
        build: the explanation of so many nodes, best first.
        most: nodes that there are.
        max_bytes: bytes that the explanation may take when it is saved.
    """
    fits, too_many = 0, most + 1
    best = build(0)
    guess = min(most, int(max_bytes / BYTES_A_NODE))
    while fits + 1 < too_many:
        guess = min(max(guess, fits + 1), too_many - 1)
        tried = build(guess)
        size = explanation_bytes(tried.to_dict())
        if size > max_bytes:
            too_many = guess
        else:
            fits, best = guess, tried
            if size >= FULL * max_bytes:
                break
        # From here on as many bytes a node as this one took, a little less to end below.
        guess = int(guess * (0.995 * max_bytes) / max(1, size))
        if not fits < guess < too_many:
            guess = (fits + too_many) // 2
    return best
