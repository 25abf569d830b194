"""Values of a chosen tree: means shrunk towards their parents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Kept:
    """The nodes of one neuron that were kept, on one level; ordered as in the suffix tree.

    Attributes:
        parents: the parent among the kept nodes of the level above, `[nodes]`.
        tokens: the earliest token of each n-gram, `[nodes]`.
        counts: positions seen, `[nodes]`.
        sums: the sum of the activations there, less the centre, `[nodes]`.
    """

    parents: Int[np.ndarray, " nodes"]
    tokens: Int[np.ndarray, " nodes"]
    counts: Float[np.ndarray, " nodes"]
    sums: Float[np.ndarray, " nodes"]


def shrunk_means(
    levels: Sequence[Kept], shrinkage: Sequence[float], count: float, total: float
) -> tuple[float, list[Float[np.ndarray, " nodes"]]]:
    """Return the most probable value of the root and of every node, given what was seen.

    The model: a node's value lies around its parent's, and activations around the value of the
    longest kept n-gram that ends there; the shrinkage of a level is the variance of the second over
    that of the first. All is Gaussian, so one pass up the tree and one down give the exact answer.
    A parent is so the mean of what its children say, not of their positions: a child that was seen
    very often does not decide what is expected of a child that never was.

    Args:
        levels: the kept nodes.
        shrinkage: of each level, in positions.
        count: positions in all; infinitely many where the root's value is known, as 0.
        total: the sum of the activations there, less the centre.
    """
    # What each node says by the positions that end in no kept child of it.
    counts = [level.counts.copy() for level in levels]
    sums = [level.sums.copy() for level in levels]
    for depth in range(1, len(levels)):
        below, size = levels[depth], len(counts[depth - 1])
        counts[depth - 1] -= np.bincount(below.parents, below.counts, size)
        sums[depth - 1] -= np.bincount(below.parents, below.sums, size)
    if levels:
        count, total = count - levels[0].counts.sum(), total - levels[0].sums.sum()
    precisions: list[Float[np.ndarray, " nodes"]] = []
    means: list[Float[np.ndarray, " nodes"]] = []
    for depth in range(len(levels) - 1, -1, -1):
        precision, weighted = np.maximum(counts[depth], 0), sums[depth]
        if depth + 1 < len(levels):
            said, size = precisions[-1], len(precision)
            strength = said * shrinkage[depth + 1] / (said + shrinkage[depth + 1])
            parents = levels[depth + 1].parents
            precision = precision + np.bincount(parents, strength, size)
            weighted = weighted + np.bincount(parents, strength * means[-1], size)
        precisions.append(precision)
        means.append(weighted / np.maximum(precision, 1e-12))
    precisions.reverse()
    means.reverse()
    precision, weighted = max(count, 0.0), total
    if levels:
        strength = precisions[0] * shrinkage[0] / (precisions[0] + shrinkage[0])
        precision += strength.sum()
        weighted += (strength * means[0]).sum()
    root = float(weighted / max(precision, 1e-12))
    values: list[Float[np.ndarray, " nodes"]] = []
    for depth, level in enumerate(levels):
        above = root if depth == 0 else values[-1][level.parents]
        amount = shrinkage[depth]
        values.append(
            (precisions[depth] * means[depth] + amount * above) / (precisions[depth] + amount)
        )
    return root, values
