"""Which nodes are worth keeping: those that remove the most squared error."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from explainers.context_tree.statistics import Statistics
from explainers.context_tree.suffixes import Suffixes


def gains(suffixes: Suffixes, seen: Statistics, shrinkage: float) -> Float[Tensor, "nodes n"]:
    """Return the squared error that each node removes when its parent is there already.

    A node's value is its mean moved towards its parent's as by `shrinkage` more positions, so a
    node seen once counts for little. Raw units squared, `[nodes, n]`.
    """
    means = seen.sums / seen.counts.clamp_min(1e-9)
    moved = means.clone()
    parts = suffixes.parts
    for (upper, lower), level in zip(pairwise(parts), suffixes.levels[1:], strict=True):
        moved[lower] -= means[upper][level.parents]
    return moved.square_().mul_(seen.counts).mul_(seen.counts).div_(seen.counts + shrinkage)


def priorities(suffixes: Suffixes, removed: Float[Tensor, "nodes n"]) -> Float[Tensor, "nodes n"]:
    """Return the order in which nodes are taken, largest first, parents before children.

    A node counts with what it removes itself or, if that is more, with the mean of that and the
    best of its children, which can be had only with it. A child never counts more than its parent.
    """
    order = removed.clone()
    below = list(zip(pairwise(suffixes.parts), suffixes.levels[1:], strict=True))
    for (upper, lower), level in reversed(below):
        # Children of one node are next to each other: the nodes are ordered by their parents.
        lengths = torch.bincount(level.parents, minlength=upper.stop - upper.start)
        best = torch.segment_reduce(order[lower], "max", lengths=lengths, axis=0, initial=0)
        torch.maximum(order[upper], best.add_(order[upper]).div_(2), out=order[upper])
    for (upper, lower), level in below:
        torch.minimum(order[lower], order[upper][level.parents], out=order[lower])
    return order
