"""The neuron graph: what an explanation says about its neuron, as nodes and patterns of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Protocol, runtime_checkable

from benchmark.graphs.writing import write_pattern

ACTIVATING, CONTEXT, START = "activating", "context", "start"
ROLES = (ACTIVATING, CONTEXT, START)


@dataclass(frozen=True)
class Node:
    """A place in patterns of tokens.

    Attributes:
        tokens: the ids that can stand here, the first one first; none: any token.
        texts: how a person reads each of them, spaces and line ends made visible.
        role: `activating` (the neuron fires on it), `context` (stands before it), or `start` (the
            start of a context).
        activation: of the strongest pattern through it, as a part of the neuron's largest, 0 to 1.
        importance: the part of the activation that is lost without it, 0 to 1.
        lengths: of a node for any token, how many tokens it may stand for.
    """

    tokens: tuple[int, ...]
    texts: tuple[str, ...]
    role: str
    activation: float = 0.0
    importance: float = 0.0
    lengths: tuple[int, ...] = (1,)

    @property
    def is_any(self) -> bool:
        """Return whether any token can stand here."""
        return not self.tokens


@dataclass(frozen=True)
class Pattern:
    """A way through the graph.

    Attributes:
        nodes: indices of nodes in reading order; the last is activating.
        activation: what the neuron does there, as a part of its largest activation, 0 to 1.
        count: how many examples it was learnt from.
    """

    nodes: tuple[int, ...]
    activation: float
    count: int = 1


@dataclass(frozen=True)
class NeuronGraph:
    """Patterns of tokens that share nodes (Foote et al. 2023, arXiv 2305.19911, section 3).

    Raises:
        ValueError: a pattern is empty, names no node or is no way from context to an activating
            node; nodes follow each other in a circle; a number is not within 0 and 1.
    """

    nodes: tuple[Node, ...]
    patterns: tuple[Pattern, ...]

    def __post_init__(self) -> None:
        for node in self.nodes:
            _check_node(node)
        for pattern in self.patterns:
            _check_pattern(pattern, self.nodes)
        depths(len(self.nodes), self.edges)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Return pairs of nodes, a token and the one that follows it, each pair once."""
        pairs = (pair for each in self.patterns for pair in itertools.pairwise(each.nodes))
        return tuple(dict.fromkeys(pairs))

    @property
    def activation(self) -> float:
        """Return the activation of the strongest pattern, 0 without any."""
        return max((pattern.activation for pattern in self.patterns), default=0.0)

    def parts(self) -> tuple[tuple[Pattern, ...], ...]:
        """Return the patterns of each connected part, strongest part and pattern first."""
        home = connected_parts(len(self.nodes), self.edges)
        found: dict[int, list[Pattern]] = {}
        for pattern in self.strongest_first():
            found.setdefault(home[pattern.nodes[0]], []).append(pattern)
        return tuple(map(tuple, found.values()))

    def above(self, activation: float) -> NeuronGraph:
        """Return the graph with only the patterns of at least this activation; the nodes stay."""
        kept = tuple(each for each in self.patterns if each.activation >= activation)
        return self if len(kept) == len(self.patterns) else replace(self, patterns=kept)

    def strongest_first(self) -> list[Pattern]:
        """Return the patterns by falling activation."""
        return sorted(self.patterns, key=lambda pattern: -pattern.activation)

    def repeats(self) -> tuple[tuple[int, Pattern], ...]:
        """Return tokens that activate and also stand in the context of the same pattern, each once.

        With each its strongest such pattern, strongest first.
        """
        found: dict[int, Pattern] = {}
        for pattern in self.strongest_first():
            before = {token for node in pattern.nodes[:-1] for token in self.nodes[node].tokens}
            for token in self.nodes[pattern.nodes[-1]].tokens:
                if token in before:
                    found.setdefault(token, pattern)
        return tuple(found.items())

    def text(self, pattern: Pattern) -> str:
        """Return a pattern as a person would write it: `[was | were] … on the ‹List›`."""
        return write_pattern([self.nodes[node].texts for node in pattern.nodes])

    def text_of(self, token: int) -> str:
        """Return how a token of this graph reads."""
        for node in self.nodes:
            if token in node.tokens:
                return node.texts[node.tokens.index(token)]
        return f"#{token}"


@runtime_checkable
class OffersGraph(Protocol):
    """An explanation that can be drawn."""

    def graph(self) -> NeuronGraph:
        """Return the explanation as a graph."""
        ...


def depths(n_nodes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each node the number of edges on the longest way to a node that nothing follows.

    Raises:
        ValueError: the edges lead in a circle.
    """
    following: dict[int, set[int]] = {node: set() for node in range(n_nodes)}
    for first, second in edges:
        following[first].add(second)
    found = [0] * n_nodes
    try:
        for node in TopologicalSorter(following).static_order():
            found[node] = max((found[after] + 1 for after in following[node]), default=0)
    except CycleError:
        raise ValueError("the nodes of the graph follow each other in a circle") from None
    return found


def connected_parts(n_nodes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each node the lowest number of a node that it is connected with."""
    home = list(range(n_nodes))

    def root(node: int) -> int:
        while home[node] != node:
            home[node] = home[home[node]]
            node = home[node]
        return node

    for first, second in edges:
        low, high = sorted((root(first), root(second)))
        home[high] = low
    return [root(node) for node in range(n_nodes)]


def _check_node(node: Node) -> None:
    if node.role not in ROLES:
        raise ValueError(f"the role of a node cannot be {node.role!r}")
    if len(node.tokens) != len(node.texts):
        raise ValueError(f"a node has {len(node.tokens)} tokens and {len(node.texts)} texts")
    if node.is_any and (node.role != CONTEXT or not node.lengths or min(node.lengths) < 1):
        raise ValueError("a node for any token is context and stands for one token or more")
    if not all(
        math.isfinite(each) and 0 <= each <= 1 for each in (node.activation, node.importance)
    ):
        raise ValueError(f"a node's activation and importance are within 0 and 1, not {node}")


def _check_pattern(pattern: Pattern, nodes: Sequence[Node]) -> None:
    if not pattern.nodes or not all(0 <= node < len(nodes) for node in pattern.nodes):
        raise ValueError(f"a pattern cannot be {pattern.nodes} of {len(nodes)} nodes")
    roles = [nodes[node].role for node in pattern.nodes]
    if roles[-1] != ACTIVATING or ACTIVATING in roles[:-1] or START in roles[1:]:
        raise ValueError(f"a pattern ends with its only activating node, it is {roles}")
    if not (math.isfinite(pattern.activation) and 0 <= pattern.activation <= 1):
        raise ValueError(f"a pattern's activation is within 0 and 1, not {pattern.activation}")
