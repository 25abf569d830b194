"""Budget of a context tree: how many nodes fit into a number of bytes."""

from __future__ import annotations

from collections.abc import Callable

# The search ends at a size of at least this part of the budget.
FULL = 0.98
BYTES_PER_NODE = 2.5


def nodes_within(size_of: Callable[[int], int], most: int, max_bytes: int) -> int:
    """Return how many nodes a budget has room for.

    A few sizes are measured: each next guess assumes the bytes per node of the last one.

    Args:
        size_of: measures an explanation of a number of nodes, bytes.
        most: the largest number of nodes.
        max_bytes: bytes that the explanation may take.
    """
    fits, too_many = 0, most + 1
    guess = min(most, int(max_bytes / BYTES_PER_NODE))
    while fits + 1 < too_many:
        guess = min(max(guess, fits + 1), too_many - 1)
        size = size_of(guess)
        if size > max_bytes:
            too_many = guess
        else:
            fits = guess
            if size >= FULL * max_bytes:
                break
        # A little fewer than would fill it, to end below.
        guess = int(guess * (0.995 * max_bytes) / max(1, size))
        if not fits < guess < too_many:
            guess = (fits + too_many) // 2
    return fits
