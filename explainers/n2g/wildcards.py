"""Merging of wildcard children, as in the authors' code: it drops tokens that are required."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

ANY = -1
# The tokens and importances of a path from the activating token backwards, and what is at its end.
Line = tuple[tuple[int, ...], tuple[float, ...], tuple["End", ...]]
End = tuple[float, int]  # activation and count


@dataclass
class Node:
    """A node of a trie.

    Attributes:
        importance: of the token that leads to it, on the path that was added first.
        ends: what is known at the paths that end here, in the order in which they were added.
        children: by token, in the order in which they were added.
    """

    importance: float = 0.0
    ends: list[End] = field(default_factory=list)
    children: dict[int, Node] = field(default_factory=dict)


def merge_wildcards(lines: Iterable[Line]) -> list[Line]:
    """Merge children that have a wildcard child beside them into it, those near the root first.

    A child that ends a path stays where it is, with all that follows it; what follows goes into
    the wildcard child, too. So "A b c" and "x W c" together become a path that fires on "A W c".

    Args:
        lines: distinct paths, in the order in which they were added.
    """
    root = Node()
    for tokens, importances, ends in lines:
        node = root
        for token, importance in zip(tokens, importances, strict=True):
            node = node.children.setdefault(token, Node(importance))
        node.ends += ends
    queue = [root]
    for node in queue:  # it grows
        wildcard = node.children.get(ANY)
        if wildcard is not None:
            for token, child in list(node.children.items()):
                if token == ANY:
                    continue
                for following, below in child.children.items():
                    _add(wildcard, following, below)
                if not child.ends:
                    del node.children[token]
        queue += node.children.values()
    return list(_lines(root, (), ()))


def _add(node: Node, token: int, added: Node) -> None:
    """Add a copy of a subtree as the child of a node; ends that meet come after one another."""
    child = node.children.setdefault(token, Node(added.importance))
    child.ends += added.ends
    for following, below in added.children.items():
        _add(child, following, below)


def _lines(node: Node, tokens: tuple[int, ...], importances: tuple[float, ...]) -> Iterable[Line]:
    if node.ends:
        yield tokens, importances, tuple(node.ends)
    for token, child in node.children.items():
        yield from _lines(child, (*tokens, token), (*importances, child.importance))
