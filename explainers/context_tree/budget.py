"""Budget of a context tree: how many nodes fit into a number of bytes or characters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explainers.context_tree.suffixes import Suffixes

# The search ends at a size of at least this part of the budget: compressing takes time.
FULL_OF_BYTES, FULL_OF_CHARACTERS = 0.98, 1.0
BYTES_PER_NODE = 2.5
CHARACTERS_PER_NODE = 8.0
# Characters of a value, of what parts it from others, and of the bar before an alternative.
VALUE, BAR = 5, 1


def nodes_within(
    size_of: Callable[[int], int], most: int, budget: int, per_node: float, full: float
) -> int:
    """Return how many nodes a budget has room for.

    A few sizes are measured: each next guess assumes the size per node of the last one.

    Args:
        size_of: measures an explanation of a number of nodes, bytes or characters.
        most: the largest number of nodes.
        budget: what the explanation may take.
        per_node: what one node takes, for the first guess.
        full: the part of the budget at which the search ends.
    """
    fits, too_many = 0, most + 1
    guess = min(most, int(budget / per_node))
    while fits + 1 < too_many:
        guess = min(max(guess, fits + 1), too_many - 1)
        size = size_of(guess)
        if size > budget:
            too_many = guess
        else:
            fits = guess
            if size >= full * budget:
                break
        # A little fewer than would fill it, to end below.
        guess = int(guess * (0.995 * budget) / max(1, size))
        if not fits < guess < too_many:
            guess = (fits + too_many) // 2
    return fits


def characters(suffixes: Suffixes, lengths: Int[Tensor, " vocabulary"]) -> Float[Tensor, " nodes"]:
    """Estimate what each n-gram adds to a complete text whose lines begin with the current token.

    A token beside others with its value adds itself and a bar, a context all its tokens and a
    value; what it shares with others is not known before the tree is.

    Args:
        suffixes: the n-grams.
        lengths: characters of each token's spelling.
    """
    costs: list[Tensor] = []
    before = torch.zeros(1)
    for depth, level in enumerate(suffixes.levels):
        spelt = before[level.parents] + lengths[level.tokens]
        costs.append(spelt + BAR + (VALUE if depth else 0))
        before = spelt if depth else torch.zeros(level.size)
    return torch.cat(costs) if costs else torch.zeros(0)
