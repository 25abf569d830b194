"""The trie: patterns read backwards from the activating token, and what is known at their ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from explainers.float32 import shortest
from explainers.n2g.examples import Example, Value
from explainers.n2g.settings import FIRST, MAX, Settings
from explainers.n2g.wildcards import ANY, End, Line, merge_wildcards

__all__ = ["ANY", "Path", "build_paths", "pattern_of", "strongest_first"]
IMPORTANCE_DIGITS = 3


@dataclass(frozen=True)
class Path:
    """One way from the root of the trie to an end.

    Attributes:
        tokens: from the activating token backwards; `ANY` matches whatever stands there. The
            first and the last are never `ANY`. BOS as the last one is a start of context.
        importances: of each token, 0 where it is `ANY`.
        activation: at the end of the path, as a part of the neuron's largest.
        count: how many tokens of pruned and substituted prompts the path was learnt from.
    """

    tokens: tuple[int, ...]
    importances: tuple[float, ...]
    activation: float
    count: int


def pattern_of(
    example: Example, importance_threshold: float
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return an example's tokens backwards, literal or `ANY`, up to its furthest important one.

    The activating token is always literal, so no path fires everywhere, and so is every important
    token: a wildcard only ever stands for one that was measured to be unimportant.
    """
    tokens, importances = [], []
    last = example.length
    for place in range(last, -1, -1):
        weight = float(example.importances[place])
        literal = place == last or weight > importance_threshold or place in example.substituted
        tokens.append(int(example.tokens[place]) if literal else ANY)
        importances.append(round(weight, IMPORTANCE_DIGITS) if literal else 0.0)
    while tokens[-1] == ANY:
        tokens.pop()
        importances.pop()
    return tuple(tokens), tuple(importances)


def build_paths(examples: Iterable[Example], settings: Settings) -> tuple[Path, ...]:
    """Build the paths of one neuron, strongest first, from the values of its examples.

    Several values at one path become one by the rule `combine`, and its importances are means
    weighted by count, or those of the first; the order of the examples does not matter.
    """
    met: dict[tuple[int, ...], list[tuple[Value, tuple[float, ...]]]] = {}
    for example in examples:
        if example.values:
            tokens, importances = pattern_of(example, settings.importance_threshold)
            met.setdefault(tokens, []).extend((value, importances) for value in example.values)
    ordered = sorted((sorted(seen), tokens) for tokens, seen in met.items())
    lines: list[Line] = [
        (tokens, _importances(seen, settings.combine), (_end(seen, settings.combine),))
        for seen, tokens in ordered
    ]
    if settings.merge_wildcards:
        lines = merge_wildcards(lines)
    return strongest_first([_path(line, settings.combine) for line in lines])


def strongest_first(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Sort paths by falling activation; equal ones shorter first, then by their ids."""
    return tuple(sorted(paths, key=lambda path: (-path.activation, len(path.tokens), path.tokens)))


def _end(seen: Sequence[tuple[Value, tuple[float, ...]]], combine: str) -> End:
    return _combined([(value.activation, 1) for value, _ in seen], combine)


def _combined(ends: Sequence[End], combine: str) -> End:
    count = sum(times for _, times in ends)
    if combine == FIRST:
        return ends[0][0], count
    if combine == MAX:
        return max(activation for activation, _ in ends), count
    # In this order, so that the order in which they were met does not matter.
    return sum(activation * times for activation, times in sorted(ends)) / count, count


def _importances(
    seen: Sequence[tuple[Value, tuple[float, ...]]], combine: str
) -> tuple[float, ...]:
    if combine == FIRST:
        return seen[0][1]
    columns = zip(*sorted(weights for _, weights in seen), strict=True)
    return tuple(round(sum(column) / len(seen), IMPORTANCE_DIGITS) for column in columns)


def _path(line: Line, combine: str) -> Path:
    tokens, importances, ends = line
    activation, count = _combined(ends, combine)
    return Path(tokens, importances, shortest(activation), count)
