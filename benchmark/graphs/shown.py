"""Selection of what is drawn of a graph: the strongest patterns, and of long ones the end."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.graphs.graph import ACTIVATING, NeuronGraph, Node, Pattern
from benchmark.token_text import counted, shortened

# A picture that holds more cannot be read; what is left out is counted in it.
PATTERNS = 20
COLUMNS = 12
ALTERNATIVES = 6
LETTERS = 24


@dataclass(frozen=True)
class Box:
    """A box of the picture.

    Attributes:
        lines: what is written in it.
        kind: `activating`, `context`, `start`, `any`, or `more` (tokens that are not drawn).
        strength: activation of an activating token, importance of any other, 0 to 1.
        begins: activations of the patterns that begin here, lowest and highest, if any do.
        details: what a pointer over the box shows.
    """

    lines: tuple[str, ...]
    kind: str
    strength: float
    begins: tuple[float, float] | None
    details: str


@dataclass(frozen=True)
class Shown:
    """Boxes, which follows which, and what is not drawn.

    Attributes:
        boxes: those of the strongest pattern first.
        edges: pairs of boxes.
        notes: lines about what the picture leaves out.
    """

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]


def shown(graph: NeuronGraph) -> Shown:
    """Return the part of a graph that a picture holds."""
    return _boxes(graph, PATTERNS, COLUMNS, ALTERNATIVES)


def whole(graph: NeuronGraph) -> Shown:
    """Return all of a graph, however large."""
    most = len(graph.nodes) + len(graph.patterns) + 1
    widest = max((len(node.tokens) for node in graph.nodes), default=0)
    return _boxes(graph, most, most, widest)


def _boxes(graph: NeuronGraph, n_patterns: int, n_columns: int, n_alternatives: int) -> Shown:
    patterns = graph.strongest_first()
    drawn, rest = patterns[:n_patterns], patterns[n_patterns:]
    ways = [_way(pattern, n_columns) for pattern in drawn]
    keys = {key: number for number, key in enumerate(dict.fromkeys(k for way in ways for k in way))}
    begins: dict[_Key, list[float]] = {}
    hidden: dict[_Key, list[int]] = {}
    for way, pattern in zip(ways, drawn, strict=True):
        begins.setdefault(way[0], []).append(pattern.activation)
        if way[0][0]:
            hidden.setdefault(way[0], []).append(_length(graph, pattern.nodes[: 1 - len(way)]))
    boxes = []
    for key in keys:
        values = begins.get(key)
        span = (min(values), max(values)) if values else None
        more, node = key
        boxes.append(
            _more(hidden[key], span) if more else _box(graph.nodes[node], span, n_alternatives)
        )
    edges = dict.fromkeys(pair for way in ways for pair in itertools.pairwise(way))
    notes = []
    if rest:
        notes.append(
            f"and {counted(len(rest), 'weaker pattern')}, at most {rest[0].activation:.2f}"
        )
    if not patterns:
        notes.append("no patterns")
    return Shown(
        tuple(boxes), tuple((keys[first], keys[second]) for first, second in edges), tuple(notes)
    )


# Whether the box stands for what is left out before a node, and that node.
_Key = tuple[bool, int]


def _way(pattern: Pattern, n_columns: int) -> tuple[_Key, ...]:
    if len(pattern.nodes) <= n_columns:
        return tuple((False, node) for node in pattern.nodes)
    kept = pattern.nodes[1 - n_columns :]
    return ((True, kept[0]), *((False, node) for node in kept))


def _length(graph: NeuronGraph, nodes: Sequence[int]) -> int:
    return sum(max(graph.nodes[node].lengths) for node in nodes)


def _more(lengths: Sequence[int], span: tuple[float, float] | None) -> Box:
    least, most = min(lengths), max(lengths)
    count = f"{least}" if least == most else f"{least}–{most}"
    details = "1 further token stands" if most == 1 else f"{count} further tokens stand"
    return Box((f"… {count} more",), "more", 0.0, span, f"{details} before")


def _box(node: Node, span: tuple[float, float] | None, n_alternatives: int) -> Box:
    if node.is_any:
        if node.lengths == (1,):
            return Box(("any",), "any", 0.0, span, "any one token")
        count = _lengths(node.lengths)
        return Box((f"any ×{count}",), "any", 0.0, span, f"any {count} tokens")
    lines = [cut(text) for text in node.texts[:n_alternatives]]
    if len(node.texts) > n_alternatives:
        lines.append(f"and {len(node.texts) - n_alternatives} more")
    strength = node.activation if node.role == ACTIVATING else node.importance
    named = [f"{text} (token {token})" for text, token in zip(node.texts, node.tokens, strict=True)]
    what = "activation" if node.role == ACTIVATING else "importance"
    details = "\n".join([*named, f"{node.role}, {what} {strength:.2f}"])
    return Box(tuple(lines), node.role, strength, span, details)


def _lengths(lengths: Sequence[int]) -> str:
    """Return `3`, `1–3`, or `1, 4`."""
    lengths = sorted(lengths)
    if len(lengths) > 2 and lengths == list(range(lengths[0], lengths[-1] + 1)):
        return f"{lengths[0]}–{lengths[-1]}"
    return ", ".join(map(str, lengths))


def cut(text: str) -> str:
    """Return a text of bounded length; the end of a token tells as much as its beginning."""
    text = shortened(text, LETTERS)
    if len(text) <= LETTERS:
        return text
    half = (LETTERS - 1) // 2
    return f"{text[: LETTERS - 1 - half]}…{text[-half:]}"
