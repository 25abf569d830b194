"""From what a block of neurons did on every run of tokens to the tree of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from explainers.context_tree.pruning import gains, priorities
from explainers.context_tree.shape import Shape
from explainers.context_tree.statistics import Observations, statistics
from explainers.context_tree.tree import TreeLevel
from explainers.context_tree.values import Kept, shrunk_means


@dataclass(frozen=True)
class Options:
    """How trees are grown; see `ContextTree`."""

    shrinkage: tuple[float, ...]
    min_count: float
    least_gain: float
    exemplar_weight: float
    step: float


@dataclass(frozen=True)
class Candidates:
    """All nodes that a tree of one neuron may have, counted through the levels of the shape.

    Attributes:
        shape: the runs of the block's evidence.
        priority: what decides the order in which nodes are taken, `[nodes]`; at most 0: never.
        gain: squared error that each removes, raw units squared, `[nodes]`.
        counts, sums: what was seen at each, `[nodes]`.
        centre: what was taken from all activations, raw units.
        count, total: positions in all, and the sum of the activations there, less the centre.
        spread: standard deviation of the activation on the sample, raw units.
    """

    shape: Shape
    priority: Float[np.ndarray, " nodes"]
    gain: Float[np.ndarray, " nodes"]
    counts: Float[np.ndarray, " nodes"]
    sums: Float[np.ndarray, " nodes"]
    centre: float
    count: float
    total: float
    spread: float


@dataclass(frozen=True)
class Grown:
    """A tree with whole numbers as values.

    Attributes:
        root: the value where no run matches, raw units.
        step: what 1 stands for in the values, raw units.
        levels: the nodes.
        nodes: which of the candidates they are, level by level, each `[nodes]`.
    """

    root: float
    step: float
    levels: list[TreeLevel]
    nodes: list[Int[np.ndarray, " nodes"]]


def candidates(
    shape: Shape, seen: Observations, neurons: slice, options: Options
) -> list[Candidates]:
    """What there is to choose from, for some neurons of the block."""
    found = statistics(shape, seen, neurons, options.exemplar_weight)
    removed = gains(shape, found, options.shrinkage[0])
    order = priorities(shape, removed)
    for each, statistic in zip(order, found, strict=True):
        each.masked_fill_(statistic.counts < options.min_count, 0)
    activations = seen.activations[:, neurons]
    n = activations.shape[1]
    squares = torch.zeros(1, n, dtype=torch.double)
    for part in activations.split(1 << 14):
        squares.index_add_(0, torch.zeros(len(part), dtype=torch.long), part.double() ** 2)
    n_text = int(seen.text.reshape(-1)[: len(activations)].sum())
    spread = (squares[0] / max(1, n_text)).sqrt()
    counts = torch.cat([each.counts for each in found]).T.contiguous().numpy()
    sums = torch.cat([each.sums for each in found]).T.contiguous().numpy()
    gain = torch.cat(removed).T.contiguous().numpy()
    priority = torch.cat(order).T.contiguous().numpy()
    first = shape.levels[0].size
    return [
        Candidates(
            shape=shape,
            priority=priority[row],
            gain=gain[row],
            counts=counts[row],
            sums=sums[row],
            centre=float(seen.centre[neurons][row]),
            count=float(counts[row, :first].sum(dtype=np.float64)),
            total=float(sums[row, :first].sum(dtype=np.float64)),
            spread=float(spread[row]),
        )
        for row in range(n)
    ]


def choose(there: Candidates, least: float, most: int | None) -> Bool[np.ndarray, " nodes"]:
    """The nodes of highest priority above `least`, `most` of them where there are more.

    Of nodes with equal priority those nearer to the root come first, so that a node never comes
    without its parent.
    """
    chosen = there.priority > least
    if most is None or np.count_nonzero(chosen) <= most:
        return chosen
    if most == 0:
        return np.zeros_like(chosen)
    last = np.partition(there.priority, -most)[-most]
    chosen = there.priority > last
    ties = np.flatnonzero(there.priority == last)
    chosen[ties[: most - np.count_nonzero(chosen)]] = True
    return chosen


def grow(there: Candidates, chosen: Bool[np.ndarray, " nodes"], options: Options) -> Grown:
    """The tree of the chosen candidates; those that then say nothing new are left out."""
    kept: list[Kept] = []
    nodes: list[Int[np.ndarray, " nodes"]] = []
    place = np.zeros(1, dtype=np.int64)
    for start, level in zip(there.shape.starts, there.shape.levels, strict=True):
        here = chosen[start : start + level.size]
        local = np.flatnonzero(here)
        if not len(local):
            break
        which = start + local
        kept.append(
            Kept(
                place[level.parents.numpy()[local]],
                level.tokens.numpy()[local],
                there.counts[which].astype(np.float64),
                there.sums[which].astype(np.float64),
            )
        )
        nodes.append(which)
        place = np.cumsum(here) - 1
    root, values = shrunk_means(kept, options.shrinkage, there.count, there.total)
    base, step = _rounded(there.centre + root), _rounded(options.step * there.spread)
    levels = [
        TreeLevel(
            level.parents,
            level.tokens,
            np.rint((there.centre + value - base) / step).astype(np.int64)
            if step
            else np.zeros(len(value), dtype=np.int64),
        )
        for level, value in zip(kept, values, strict=True)
    ]
    return Grown(base, step, *_without_repetition(levels, nodes))


def _rounded(value: float) -> float:
    """Four digits are enough for the root's value and the step, and few to write."""
    return float(np.float32(f"{value:.3e}").item()) if value else 0.0


def _without_repetition(
    levels: Sequence[TreeLevel], nodes: Sequence[Int[np.ndarray, " nodes"]]
) -> tuple[list[TreeLevel], list[Int[np.ndarray, " nodes"]]]:
    """The same tree without leaves that say what their parents say."""
    kept_levels: list[TreeLevel] = []
    needed = [np.zeros(level.size, dtype=bool) for level in levels]
    for depth in range(len(levels) - 1, -1, -1):
        level = levels[depth]
        above = levels[depth - 1].values[level.parents] if depth else 0
        needed[depth] |= level.values != above
        if depth:
            needed[depth - 1][level.parents[needed[depth]]] = True
    place = np.zeros(1, dtype=np.int64)
    kept_nodes = []
    for level, keep, which in zip(levels, needed, nodes, strict=True):
        if not keep.any():
            break
        kept_levels.append(
            TreeLevel(place[level.parents[keep]], level.tokens[keep], level.values[keep])
        )
        kept_nodes.append(which[keep])
        place = np.cumsum(keep) - 1
    return kept_levels, kept_nodes
