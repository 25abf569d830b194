"""Fit of a context tree: from the statistics of a block's n-grams to the tree of one neuron."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from explainers.context_tree.pruning import gains, priorities
from explainers.context_tree.statistics import Observations, spreads, statistics
from explainers.context_tree.suffixes import Suffixes
from explainers.context_tree.tree import TreeLevel
from explainers.context_tree.values import Kept, shrunk_means

Nodes = Int[np.ndarray, " nodes"]


@dataclass(frozen=True)
class Options:
    """Options of the fit; see `ContextTree`."""

    shrinkage: tuple[float, ...]
    min_count: float
    least_gain: float
    exemplar_weight: float
    step: float


@dataclass(frozen=True)
class Candidates:
    """All nodes that a tree of one neuron may have, counted through all levels of the suffix tree.

    Attributes:
        suffixes: the n-grams of the block's evidence.
        nodes: those that remove enough squared error, ascending, `[candidates]`.
        priority: what decides the order in which these are taken, `[candidates]`.
        gain: squared error that each node removes, raw units squared, `[nodes]`.
        counts, sums: what was seen at each node, `[nodes]`.
        centre: what was taken from all activations, raw units.
        count, total: positions in all, and the sum of the activations there, less the centre.
        spread: standard deviation of the activation, raw units.
        known_root: whether the root's value is the centre, whatever was seen.
    """

    suffixes: Suffixes
    nodes: Nodes
    priority: Float[np.ndarray, " candidates"]
    gain: Float[np.ndarray, " nodes"]
    counts: Float[np.ndarray, " nodes"]
    sums: Float[np.ndarray, " nodes"]
    centre: float
    count: float
    total: float
    spread: float
    known_root: bool

    def best(self, most: int) -> Nodes:
        """Return the `most` candidates of highest priority, ascending, each with its parent.

        Of nodes with equal priority those nearer to the root come first.
        """
        if most >= len(self.nodes):
            return self.nodes
        return np.sort(self.nodes[np.argsort(-self.priority, kind="stable")[:most]])


@dataclass(frozen=True)
class FittedTree:
    """A fitted tree with whole numbers as values.

    Attributes:
        root: the value where no n-gram matches, raw units.
        step: what 1 stands for in the values, raw units.
        levels: the nodes.
        nodes: which of the candidates they are, level by level, each `[nodes]`.
    """

    root: float
    step: float
    levels: list[TreeLevel]
    nodes: list[Nodes]


def find_candidates(
    suffixes: Suffixes,
    seen: Observations,
    neurons: slice,
    options: Options,
    costs: Float[Tensor, " nodes"] | None = None,
) -> list[Candidates]:
    """Return the nodes to choose from, for some neurons of the block.

    Args:
        suffixes: the n-grams of the block's evidence.
        seen: what was seen.
        neurons: some of the block.
        options: how nodes are chosen.
        costs: what each node takes of a budget, so that those come first that remove the most
            squared error for it; without it all take the same.
    """
    found = statistics(suffixes, seen, neurons, options.exemplar_weight)
    spread, centre = spreads(seen, neurons), seen.centre[neurons]
    gain = gains(suffixes, found, options.shrinkage[0])
    priority = priorities(suffixes, gain)
    first = suffixes.parts[0] if suffixes.levels else slice(0)
    count, total = found.counts[first].double().sum(0), found.sums[first].double().sum(0)
    enough = priority > options.least_gain * spread**2 * count
    enough &= found.counts >= options.min_count
    if costs is not None:
        priority = priorities(suffixes, gain / costs[:, None])
    neuron, nodes = enough.T.nonzero(as_tuple=True)
    sizes = torch.bincount(neuron, minlength=len(spread)).tolist()
    taken = priority[nodes, neuron].split(sizes)
    return [
        Candidates(
            suffixes=suffixes,
            nodes=which.numpy(),
            priority=taken[row].numpy(),
            gain=gain[:, row].numpy(),
            counts=found.counts[:, row].numpy(),
            sums=found.sums[:, row].numpy(),
            centre=float(centre[row]),
            count=float(count[row]),
            total=float(total[row]),
            spread=float(spread[row]),
            known_root=not seen.has_sample,
        )
        for row, which in enumerate(nodes.split(sizes))
    ]


def fit_tree(
    candidates: Candidates, chosen: Nodes, options: Options, step: float | None = None
) -> FittedTree:
    """Fit the tree of some candidates; a leaf that says nothing new is left out.

    Args:
        candidates: the candidates.
        chosen: which of them, ascending, each with its parent.
        options: how values are made.
        step: what 1 stands for in the values, raw units, instead of what the options say.
    """
    kept: list[Kept] = []
    nodes: list[Nodes] = []
    above = np.zeros(1, dtype=np.int64)
    for part, level in zip(candidates.suffixes.parts, candidates.suffixes.levels, strict=True):
        low, high = np.searchsorted(chosen, (part.start, part.stop))
        if low == high:
            break
        which = chosen[low:high]
        local = which - part.start
        kept.append(
            Kept(
                np.searchsorted(above, level.parents.numpy()[local]),
                level.tokens.numpy()[local],
                candidates.counts[which].astype(np.float64),
                candidates.sums[which].astype(np.float64),
            )
        )
        nodes.append(which)
        above = local
    count = math.inf if candidates.known_root else candidates.count
    root, values = shrunk_means(kept, options.shrinkage, count, candidates.total)
    base = _rounded(candidates.centre + root)
    step = _rounded(options.step * candidates.spread if step is None else step)
    levels = [
        TreeLevel(level.parents, level.tokens, _whole((candidates.centre + value - base), step))
        for level, value in zip(kept, values, strict=True)
    ]
    return FittedTree(base, step, *_without_repetition(levels, nodes))


def _whole(values: Float[np.ndarray, " nodes"], step: float) -> Nodes:
    return np.rint(values / step).astype(np.int64) if step else np.zeros(len(values), np.int64)


def _rounded(value: float) -> float:
    """Round to four digits, which are enough for the root's value and the step."""
    return float(np.float32(f"{value:.3e}").item()) if value else 0.0


def _without_repetition(
    levels: Sequence[TreeLevel], nodes: Sequence[Nodes]
) -> tuple[list[TreeLevel], list[Nodes]]:
    """Remove leaves that say what their parents say."""
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
