"""Which nodes are worth keeping: those that remove the most squared error."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from explainers.context_tree.shape import Shape
from explainers.context_tree.statistics import Statistics


def gains(
    shape: Shape, seen: Sequence[Statistics], shrinkage: float
) -> list[Float[Tensor, "nodes n"]]:
    """Squared error of the evidence that each node removes when its parent is there already.

    A node's value is its mean moved towards its parent's as by `shrinkage` more positions, so a
    node seen once counts for little. Raw units squared, `[nodes, n]` for each level.
    """
    removed = []
    above: Tensor | None = None
    for level, found in zip(shape.levels, seen, strict=True):
        means = found.sums / found.counts.clamp_min(1e-9)
        moved = means if above is None else means - above[level.parents]
        kept = found.counts / (found.counts + shrinkage)
        removed.append(found.counts * moved**2 * kept)
        above = means
    return removed


def priorities(
    shape: Shape, removed: Sequence[Float[Tensor, "nodes n"]]
) -> list[Float[Tensor, "nodes n"]]:
    """The order in which nodes are taken, largest first: never a node before its parent.

    A node counts with what it removes itself or, if that is more, with the mean of that and the
    best of its children, which can be had only with it. A child never counts more than its parent.
    """
    ahead = [each.clone() for each in removed]
    for upper, lower, level in zip(ahead[-2::-1], ahead[:0:-1], shape.levels[:0:-1], strict=True):
        best = torch.zeros_like(upper)
        # Children of one node are next to each other: the nodes are ordered by their parents.
        lengths = torch.bincount(level.parents, minlength=len(upper))
        best = torch.segment_reduce(lower, "max", lengths=lengths, axis=0, initial=0)
        torch.maximum(upper, (upper + best) / 2, out=upper)
    for upper, lower, level in zip(ahead, ahead[1:], shape.levels[1:], strict=False):
        torch.minimum(lower, upper[level.parents], out=lower)
    return ahead
