"""The tries of many neurons as one, in flat arrays, and the walk that matches them all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from explainers.n2g.trie import ANY

Integers = Int[np.ndarray, " m"]
NOWHERE = -1


@dataclass(frozen=True)
class CompiledTries:
    """One trie that holds the paths of all neurons; what begins alike is walked once.

    Attributes:
        root: node that a token id leads to from the root, or `NOWHERE`; one larger than any id.
        edges: `node * len(root) + token` of every literal edge, ascending, `[l]`.
        targets: the node that each of these leads to, `[l]`.
        wildcards: the node that any token leads to from each node, or `NOWHERE`, `[nodes]`.
        ranks: how specific the path to each node is among those of its length, `[nodes]`.
        ends: first end of each node, `[nodes + 1]`.
        columns: the neuron of each end, `[p]`.
        paths: the number of each end's path, counted through all neurons, `[p]`.
    """

    root: Integers
    edges: Integers
    targets: Integers
    wildcards: Integers
    ranks: Integers
    ends: Integers
    columns: Integers
    paths: Integers

    def matches(
        self, tokens: Int[np.ndarray, "batch pos"], *, literal_first: bool = False
    ) -> Iterator[tuple[Integers, Integers, Integers]]:
        """Return every place where a path matches, in the order in which later ones win.

        Paths come by length, and those of one length by how specific they are, so whoever writes
        the matches down one after the other is left with the right ones: the longest path, and
        among those of equal length the most specific.

        Args:
            tokens: token ids.
            literal_first: where a literal child matches, go to no wildcard.

        Yields:
            Flat positions (`row * pos + column`), columns of neurons, numbers of paths.
        """
        flat = tokens.reshape(-1)
        known = len(self.root) - 1
        flat = np.where((flat >= 0) & (flat < known), flat, known)
        nodes = self.root[flat]
        places = np.flatnonzero(nodes != NOWHERE)
        nodes = nodes[places]
        room = places % max(1, tokens.shape[1])  # tokens before the place in its context
        depth = 0
        while len(places):
            yield self._ends_at(places, nodes)
            depth += 1
            inside = room >= depth
            places, nodes, room = places[inside], nodes[inside], room[inside]
            before = flat[places - depth]
            literal = self._literal(nodes, before)
            wild = self.wildcards[nodes]
            by_token, by_any = literal != NOWHERE, wild != NOWHERE
            if literal_first:
                by_any &= ~by_token
            nodes = np.concatenate([literal[by_token], wild[by_any]])
            places = np.concatenate([places[by_token], places[by_any]])
            room = np.concatenate([room[by_token], room[by_any]])

    def _literal(self, nodes: Integers, tokens: Integers) -> Integers:
        if not len(self.edges):
            return np.full(len(nodes), NOWHERE)
        keys = nodes * len(self.root) + tokens
        at = np.minimum(np.searchsorted(self.edges, keys), len(self.edges) - 1)
        return np.where(self.edges[at] == keys, self.targets[at], NOWHERE)

    def _ends_at(self, places: Integers, nodes: Integers) -> tuple[Integers, Integers, Integers]:
        sizes = self.ends[nodes + 1] - self.ends[nodes]
        some = np.flatnonzero(sizes)
        some = some[np.argsort(self.ranks[nodes[some]], kind="stable")]
        sizes = sizes[some]
        first = np.repeat(self.ends[nodes[some]], sizes)
        within = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        entries = first + within
        return np.repeat(places[some], sizes), self.columns[entries], self.paths[entries]


def compile_tries(neurons: Sequence[Sequence[tuple[int, ...]]]) -> CompiledTries:
    """Put the paths of many neurons into one trie.

    Args:
        neurons: for each neuron the tokens of its paths, backwards, `ANY` for any token. The
            paths of a neuron are distinct, and none is empty or begins with `ANY`.
    """
    children: dict[tuple[int, int], int] = {}
    ways: list[tuple[int, ...]] = []
    ends: list[tuple[int, int, int]] = []
    number = 0
    for column, paths in enumerate(neurons):
        for path in paths:
            node = NOWHERE
            for depth, token in enumerate(path):
                key = (node, token)
                node = children.setdefault(key, len(ways))
                if node == len(ways):
                    ways.append(path[: depth + 1])
            ends.append((node, column, number))
            number += 1
    n_nodes = len(ways)
    largest = max((token for _, token in children), default=0)
    root = np.full(max(largest, 0) + 2, NOWHERE)
    wildcards = np.full(n_nodes, NOWHERE)
    literal = []
    for (node, token), child in children.items():
        if node == NOWHERE:
            root[token] = child
        elif token == ANY:
            wildcards[node] = child
        else:
            literal.append((node * len(root) + token, child))
    edges = np.array(sorted(literal), dtype=np.int64).reshape(-1, 2)
    found = np.array(sorted(ends), dtype=np.int64).reshape(-1, 3)
    starts = np.zeros(n_nodes + 1, dtype=np.int64)
    np.cumsum(np.bincount(found[:, 0], minlength=n_nodes)[:n_nodes], out=starts[1:])
    return CompiledTries(
        root=root,
        edges=edges[:, 0].copy(),
        targets=edges[:, 1].copy(),
        wildcards=wildcards,
        ranks=_ranks(ways),
        ends=starts,
        columns=found[:, 1].copy(),
        paths=found[:, 2].copy(),
    )


def specificity(path: Sequence[int]) -> tuple[int, tuple[bool, ...]]:
    """Return the order of paths of equal length: more literals, then literals nearer the end.

    Two different paths of equal length that match at one place always differ in it.
    """
    literal = tuple(token != ANY for token in path)
    return sum(literal), literal


def _ranks(ways: Sequence[tuple[int, ...]]) -> Integers:
    keys = [specificity(way) for way in ways]
    order = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.array([order[key] for key in keys], dtype=np.int64)
