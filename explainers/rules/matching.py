"""Rules in a text: where each of many neurons' patterns ends, all of them in one walk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from jaxtyping import Bool, Int

from explainers.rules.rule import Rule

Integers = Int[np.ndarray, " n"]
Ids = Int[np.ndarray, "batch pos"]
Shape = tuple[str, tuple[int, ...]]
"""How a pattern is found: its kind, and how far before the current token its tokens stand."""

STEPS, SOMEWHERE, AGAIN = "steps", "somewhere", "again"
# Matches that are added up at once.
AT_ONCE = 1 << 24


def shape_of(rule: Rule) -> Shape:
    """Return the shape of a rule's pattern; of one within `k` tokens the distances begin with k."""
    if rule.within:
        return SOMEWHERE, (rule.within, *([0] if rule.places[1] else []))
    last = len(rule.places) - 1
    distances = tuple(last - at for at, place in enumerate(rule.places) if place)
    return (AGAIN if rule.again else STEPS), distances


def matches(rules: Sequence[Rule], tokens: Ids) -> Iterator[tuple[Integers, Integers]]:
    """Yield flat positions at which patterns end, and the numbers of their rules.

    A rule matches at a position once. Positions are found shape by shape: the tokens at its
    distances become one number, which is looked up among those of the rules.

    Args:
        rules: of one neuron or of many.
        tokens: token ids.
    """
    by_shape: dict[Shape, list[int]] = {}
    for number, rule in enumerate(rules):
        by_shape.setdefault(shape_of(rule), []).append(number)
    repeated: Bool[np.ndarray, "batch pos"] | None = None
    for (kind, distances), numbers in by_shape.items():
        wanted, owners = _literals([rules[number] for number in numbers])
        numbers_of = np.array(numbers)[owners]
        if kind == SOMEWHERE:
            length, current = distances[0], distances[1:]
            found = [_found(tokens, (before, *current), wanted) for before in range(1, length + 1)]
            pairs = np.unique(
                np.concatenate([places * len(rules) + numbers_of[which] for places, which in found])
            )
            yield pairs // len(rules), pairs % len(rules)
            continue
        places, which = _found(tokens, distances, wanted)
        if kind == AGAIN:
            repeated = stands_earlier(tokens) if repeated is None else repeated
            kept = repeated.reshape(-1)[places]
            places, which = places[kept], which[kept]
        yield places, numbers_of[which]


def added_up(explanations: Sequence[Sequence[Rule]], tokens: Ids) -> Int[np.ndarray, "n positions"]:
    """Return for each neuron and position the sum of the values of all rules that match."""
    sizes = [len(rules) for rules in explanations]
    rules = [rule for each in explanations for rule in each]
    values = np.array([rule.value for rule in rules], dtype=np.int32)
    neurons = np.repeat(np.arange(len(sizes)), sizes)
    sums = np.zeros((len(sizes), tokens.size), dtype=np.int32)
    flat = sums.reshape(-1)
    for places, numbers in matches(rules, tokens):
        np.add.at(flat, neurons[numbers] * tokens.size + places, values[numbers])
    return sums


def stands_earlier(tokens: Ids) -> Bool[np.ndarray, "batch pos"]:
    """Tell which tokens stand earlier in their context, too."""
    order = np.argsort(tokens, axis=1, kind="stable")
    ordered = np.take_along_axis(tokens, order, axis=1)
    same = np.zeros(tokens.shape, dtype=bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    earlier = np.zeros(tokens.shape, dtype=bool)
    np.put_along_axis(earlier, order, same, axis=1)
    return earlier


def _literals(rules: Sequence[Rule]) -> tuple[Ids, Integers]:
    """Return the tokens of every pattern without alternatives, and the rule that each is of."""
    wanted = [list(product(*filter(None, rule.places))) for rule in rules]
    width = len(wanted[0][0])
    tokens = np.array([each for patterns in wanted for each in patterns], dtype=np.int64)
    owners = np.repeat(np.arange(len(rules)), [len(patterns) for patterns in wanted])
    return tokens.reshape(len(owners), width), owners


def _found(tokens: Ids, distances: Sequence[int], wanted: Ids) -> tuple[Integers, Integers]:
    """Return the positions after which wanted tokens stand, and which of the patterns it is.

    Args:
        tokens: token ids.
        distances: how far before the current one each token of a pattern stands, descending.
        wanted: the tokens of each pattern, `[patterns, distances]`.
    """
    length = tokens.shape[1]
    farthest = max(distances, default=0)
    if farthest >= length:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    columns = np.arange(farthest, length)
    keys = np.zeros((len(tokens), len(columns)), dtype=np.int64)
    of_wanted = np.zeros(len(wanted), dtype=np.int64)
    known = np.ones(keys.shape, dtype=bool)
    for at, distance in enumerate(distances):
        options, code = np.unique(wanted[:, at], return_inverse=True)
        here = tokens[:, farthest - distance : length - distance]
        place = np.minimum(np.searchsorted(options, here), len(options) - 1)
        known &= options[place] == here
        # Pairs of what was before and this token are numbered again, so that no key overflows.
        pairs, of_wanted = np.unique(
            of_wanted * len(options) + code.reshape(-1), return_inverse=True
        )
        of_wanted = of_wanted.reshape(-1)
        wanted_now = keys * len(options) + place
        found = np.minimum(np.searchsorted(pairs, wanted_now), len(pairs) - 1)
        known &= pairs[found] == wanted_now
        keys = found
    rows, column = known.nonzero()
    places = rows * length + columns[column]
    key = keys[rows, column]
    order = np.argsort(of_wanted, kind="stable")
    starts = np.searchsorted(of_wanted[order], np.arange(len(of_wanted) + 1))
    sizes = starts[key + 1] - starts[key]
    which = order[np.repeat(starts[key], sizes) + _within(sizes)]
    return np.repeat(places, sizes), which


def _within(sizes: Integers) -> Integers:
    """Return 0, 1, ... for each size in turn."""
    inside: Integers = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return inside
