"""Merging of token patterns into the smallest graph that holds exactly these.

Patterns are read backwards from the activating token into a trie. Siblings with the same tokens
before them and like activations become one node with alternatives; what stands before different
nodes at the same distance, and is the same, is drawn once. Neither adds a pattern nor loses one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from benchmark.graphs.graph import ACTIVATING, CONTEXT, START, NeuronGraph, Node, Pattern
from benchmark.graphs.writing import START_TEXT

# Patterns that differ in one token share a node if their activations differ by no more than this.
ALIKE = 0.1


@dataclass(frozen=True)
class TokenPattern:
    """A pattern before it is part of a graph.

    Attributes:
        tokens: ids in reading order, None where any token can stand; the last one activates.
        importances: of each token, 0 to 1.
        activation: as a part of the neuron's largest.
        count: how many examples it was learnt from.
    """

    tokens: tuple[int | None, ...]
    importances: tuple[float, ...]
    activation: float
    count: int = 1


# A sum of numbers, each times its weight, and the sum of the weights.
_Sum = tuple[float, int]


@dataclass
class _Branch:
    """A place of the trie, or several siblings that became one, with all that stands before.

    Attributes:
        symbols: ids, or lengths of gaps.
        is_any: whether these are lengths.
        ends: whether a pattern begins here.
        children: the places before it.
        left: the same, merged and by their shape.
        shape: a number for what this and all before it are made of, numbers aside.
        importances: of this and of all before it, this first, then by `left`.
        activations: of the patterns that begin at this and at all before it, in the same order.
    """

    symbols: tuple[int, ...]
    is_any: bool
    ends: bool = False
    children: dict[tuple[bool, int], _Branch] = field(default_factory=dict)
    left: list[_Branch] = field(default_factory=list)
    shape: int = -1
    importances: list[_Sum] = field(default_factory=lambda: [(0.0, 0)])
    activations: list[_Sum] = field(default_factory=list)


def build_graph(
    patterns: Iterable[TokenPattern], text_of: Callable[[int], str], start: int | None = None
) -> NeuronGraph:
    """Return the graph of some patterns, strongest first.

    Args:
        patterns: in any order; of equal ones the mean activation, weighted by count, is taken.
        text_of: how a person reads a token.
        start: the id that stands for the start of a context where it is the first of a pattern.

    Raises:
        ValueError: a pattern is empty, begins or ends with any token, or has an importance for
            more or fewer tokens than it has.
    """
    root, order = _trie(patterns)
    shapes: dict[object, int] = {}
    for branch in reversed(order):  # what stands before is done first
        branch.left = _merged(branch, shapes)
        for before in branch.left:
            branch.importances += before.importances
            branch.activations += before.activations
    return _graph(_merged(root, shapes), text_of, start)


def _trie(patterns: Iterable[TokenPattern]) -> tuple[_Branch, list[_Branch]]:
    """Return the root of the trie, and all its places, each after the one that it stands before."""
    root = _Branch((), False)
    order: list[_Branch] = []
    for pattern in patterns:
        _check(pattern)
        here = root
        for token, length, importance in _backwards(pattern):
            key = (token is None, length if token is None else token)
            if key not in here.children:
                here.children[key] = _Branch((key[1],), key[0])
                order.append(here.children[key])
            here = here.children[key]
            here.importances = [_added(here.importances[0], importance, pattern.count)]
        before = here.activations[0] if here.ends else (0.0, 0)
        here.ends = True
        here.activations = [_added(before, pattern.activation, pattern.count)]
    return root, order


def _check(pattern: TokenPattern) -> None:
    tokens = pattern.tokens
    if not tokens or tokens[0] is None or tokens[-1] is None:
        raise ValueError(f"a pattern cannot be {tokens}: it begins and ends with a token")
    if len(tokens) != len(pattern.importances) or pattern.count < 1:
        raise ValueError(f"a pattern of {tokens} is damaged")


def _backwards(pattern: TokenPattern) -> Iterator[tuple[int | None, int, float]]:
    """Yield tokens from last to first with their importances; a run of any tokens as one."""
    gap = 0
    pairs = zip(reversed(pattern.tokens), reversed(pattern.importances), strict=True)
    for token, importance in pairs:
        if token is None:
            gap += 1
            continue
        if gap:
            yield None, gap, 0.0
            gap = 0
        yield token, 1, importance


def _merged(parent: _Branch, shapes: dict[object, int]) -> list[_Branch]:
    """Return the children by shape; those with like activations and the same before them as one."""
    groups: dict[tuple[bool, bool, tuple[int, ...]], list[_Branch]] = {}
    for branch in parent.children.values():
        key = (branch.is_any, branch.ends, tuple(each.shape for each in branch.left))
        groups.setdefault(key, []).append(branch)
    found = []
    for key, members in groups.items():
        members.sort(key=lambda each: ([-mean for mean in _means(each)], each.symbols))
        while members:
            leader = _means(members[0])
            alike = [each for each in members if _close(_means(each), leader)]
            members = [each for each in members if not _close(_means(each), leader)]
            one = _joined(alike)
            one.shape = shapes.setdefault((key, tuple(sorted(one.symbols))), len(shapes))
            found.append(one)
    return sorted(found, key=lambda each: each.shape)


def _joined(alike: list[_Branch]) -> _Branch:
    """Return branches that differ in their own symbols only as one; numbers are weighted means."""
    if len(alike) == 1:
        return alike[0]
    first = alike[0]
    return _Branch(
        tuple(symbol for each in alike for symbol in each.symbols),
        first.is_any,
        first.ends,
        left=first.left,
        importances=_summed(each.importances for each in alike),
        activations=_summed(each.activations for each in alike),
    )


def _added(before: _Sum, value: float, weight: int) -> _Sum:
    return before[0] + value * weight, before[1] + weight


def _summed(lists: Iterable[list[_Sum]]) -> list[_Sum]:
    """Return sums of several branches, place by place."""
    return [
        (sum(total for total, _ in same), sum(weight for _, weight in same))
        for same in zip(*lists, strict=True)
    ]


def _means(branch: _Branch) -> list[float]:
    return [total / weight for total, weight in branch.activations]


def _close(first: list[float], second: list[float]) -> bool:
    return all(abs(a - b) <= ALIKE for a, b in zip(first, second, strict=True))


@dataclass
class _Place:
    """A node while its graph is made; branches of one shape at one distance share it."""

    branch: _Branch
    distance: int
    importances: list[_Sum] = field(default_factory=list)


def _graph(roots: list[_Branch], text_of: Callable[[int], str], start: int | None) -> NeuronGraph:
    places: dict[tuple[int, int], _Place] = {}
    found: list[tuple[tuple[tuple[int, int], ...], float, int]] = []
    for root in roots:
        importances, activations = iter(root.importances), iter(root.activations)
        open_: list[tuple[_Branch, tuple[tuple[int, int], ...]]] = [(root, ())]
        while open_:  # in the order in which the numbers stand
            branch, after = open_.pop()
            key = (branch.shape, len(after))
            place = places.setdefault(key, _Place(branch, len(after)))
            place.importances.append(next(importances))
            way = (key, *after)
            if branch.ends:
                total, weight = next(activations)
                found.append((way, _part(total / weight), weight))
            open_ += [(before, way) for before in reversed(branch.left)]
    found.sort(key=lambda each: (-each[1], len(each[0]), _symbols(each[0], places)))
    numbers = {
        key: number for number, key in enumerate(dict.fromkeys(k for f in found for k in f[0]))
    }
    strongest: dict[tuple[int, int], float] = {}
    for way, activation, _ in found:
        for key in way:
            strongest.setdefault(key, activation)
    nodes = tuple(_node(places[key], strongest[key], text_of, start) for key in numbers)
    return NeuronGraph(
        nodes,
        tuple(
            Pattern(tuple(numbers[key] for key in way), activation, count)
            for way, activation, count in found
        ),
    )


def _symbols(
    way: tuple[tuple[int, int], ...], places: dict[tuple[int, int], _Place]
) -> list[tuple[int, ...]]:
    return [places[key].branch.symbols for key in reversed(way)]


def _node(
    place: _Place, activation: float, text_of: Callable[[int], str], start: int | None
) -> Node:
    symbols = place.branch.symbols
    if place.branch.is_any:
        return Node((), (), CONTEXT, activation, lengths=tuple(sorted(symbols)))
    weight = sum(weight for _, weight in place.importances)
    importance = _part(sum(total for total, _ in place.importances) / weight)
    texts = tuple(START_TEXT if token == start else text_of(token) for token in symbols)
    if place.distance == 0:
        role = ACTIVATING
    else:
        role = START if symbols == (start,) and not place.branch.left else CONTEXT
    return Node(symbols, texts, role, activation, importance)


def _part(value: float) -> float:
    """Return a number within 0 and 1: rounding errors and a simulator's own scale may lead out."""
    return min(1.0, max(0.0, value))
