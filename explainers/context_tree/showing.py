"""Which contexts of a tree are shown to a person, and where any token may stand in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from benchmark.results import explanation_bytes
from explainers.context_tree.describe import ANY, Shown
from explainers.context_tree.growing import Candidates, Grown
from explainers.context_tree.shape import Shape

MOST = 14
# Nodes that are looked at for these, and the longest run among them that is shown.
LOOKED_AT = 40
# A token does not matter where its place may hold any token and the mean moves by no more than
# this part of its distance from the root's.
ALIKE = 0.1

Nodes = Int[np.ndarray, " nodes"]


@dataclass(frozen=True)
class _Context:
    tokens: tuple[int, ...]
    value: int
    share: float
    seen: float


def shown_contexts(
    there: Candidates, grown: Grown, text_of: Callable[[int], str], max_bytes: int | None
) -> Shown:
    """The contexts that explain most of the variance, as many as fit into `max_bytes` when saved.

    A node's part of the variance is the squared error that it removes over the squared deviation.
    Where any token may stand, all runs that the context then stands for are counted together.
    """
    if not grown.levels:
        return Shown()
    levels = np.repeat(np.arange(len(grown.nodes)), [len(nodes) for nodes in grown.nodes])
    nodes = np.concatenate(grown.nodes)
    values = np.concatenate([level.values for level in grown.levels])
    gain = there.gain[nodes]
    best = np.arange(len(gain))
    if len(gain) > LOOKED_AT:
        best = np.flatnonzero(gain >= np.partition(gain, -LOOKED_AT)[-LOOKED_AT])
    best = best[np.argsort(-gain[best], kind="stable")[:LOOKED_AT]]
    whole = max(there.spread**2 * there.count, 1e-30)
    contexts: dict[tuple[int, ...], _Context] = {}
    for at in best.tolist():
        tokens, alike = _generalised(there, int(levels[at]), int(nodes[at]))
        share = float(there.gain[alike].sum(dtype=np.float64)) / whole
        seen = float(there.counts[alike].sum(dtype=np.float64))
        contexts.setdefault(tokens, _Context(tokens, int(values[at]), share, seen))
    ordered = sorted(contexts.values(), key=lambda each: -each.share)[:MOST]
    for count in range(len(ordered), 0, -1):
        shown = _shown(ordered[:count], text_of)
        if max_bytes is None or explanation_bytes(shown.to_dict()) <= max_bytes:
            return shown
    return Shown()


def _shown(contexts: list[_Context], text_of: Callable[[int], str]) -> Shown:
    distinct = dict.fromkeys(token for each in contexts for token in each.tokens if token != ANY)
    place = {token: at for at, token in enumerate(distinct)} | {ANY: ANY}
    return Shown(
        tuple(text_of(token) for token in distinct),
        tuple(
            (
                tuple(place[token] for token in each.tokens),
                each.value,
                round(1000 * each.share),
                max(1, round(each.seen)),
            )
            for each in contexts
        ),
    )


def _generalised(there: Candidates, level: int, node: int) -> tuple[tuple[int, ...], Nodes]:
    """A run with `ANY` where a token does not matter, and the nodes that it then stands for."""
    shape = there.shape
    starts = [part.start for part in shape.parts]
    path, tokens = [node - starts[level]], []
    for depth in range(level, -1, -1):
        tokens.append(int(shape.levels[depth].tokens[path[-1]]))
        path.append(int(shape.levels[depth].parents[path[-1]]))
    tokens.reverse()
    mean = there.sums[node] / max(there.counts[node], 1e-9)
    away = abs(mean - there.total / max(there.count, 1e-9))
    alike = np.array([node])
    # The current token stays, and so does the earliest one: without it the run were another node.
    for place in range(1, level):
        tried = [*tokens[:place], ANY, *tokens[place + 1 :]]
        found = matching(shape, tried)
        # What is right before was seen more than once by this neuron, whatever others saw.
        parents = shape.levels[level].parents.numpy()[found] + starts[level - 1]
        found = (found + starts[level])[there.counts[parents] > 1]
        count = there.counts[found].sum(dtype=np.float64)
        general = there.sums[found].sum(dtype=np.float64) / max(count, 1e-9)
        if len(found) > len(alike) and abs(general - mean) <= ALIKE * away:
            tokens, alike = tried, found
    return tuple(tokens), alike


def matching(shape: Shape, tokens: list[int]) -> Nodes:
    """Nodes of the level of its length that a context stands for, ascending; `ANY` is any token."""
    nodes = np.zeros(1, dtype=np.int64)
    for level, token in zip(shape.levels, tokens, strict=False):
        parents = level.parents.numpy()
        # Children of one node are next to each other, in the order of their parents.
        low = np.searchsorted(parents, nodes, "left")
        sizes = np.searchsorted(parents, nodes, "right") - low
        first = np.repeat(low - (np.cumsum(sizes) - sizes), sizes)
        nodes = first + np.arange(len(first))
        if token != ANY:
            nodes = nodes[level.tokens.numpy()[nodes] == token]
    return nodes
