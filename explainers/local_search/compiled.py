"""Patterns in flat arrays, so that those of many neurons are matched together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from explainers.local_search.pattern import Pattern, PatternSlot

Integers = Int[np.ndarray, " m"]
Numbers = Float[np.ndarray, " m"]


@dataclass(frozen=True)
class Compiled:
    """Patterns, their slots and what is known in these.

    Attributes:
        activations: of each pattern, raw units, `[p]`.
        sizes: how many slots each pattern has, `[p]`; its slots follow one another, the pivot
            first.
        distances, widths, shares: of each slot, as in `PatternSlot`, `[s]`.
        known: how many known fillings each slot has, `[s]`; those follow one another.
        kept: the part that each filling keeps, `[f]`.
        tokens: the tokens of the fillings, one after the other, each as many as its slot is wide.
    """

    activations: Numbers
    sizes: Integers
    distances: Integers
    widths: Integers
    shares: Numbers
    known: Integers
    kept: Numbers
    tokens: Integers


def compile_patterns(patterns: Sequence[Pattern]) -> Compiled:
    """Return the patterns of one neuron in flat arrays."""
    slots = [slot for pattern in patterns for slot in in_order(pattern)]
    fillings = [filling for slot in slots for filling in slot.known]
    return Compiled(
        np.array([one.activation for one in patterns], dtype=np.float64),
        np.array([len(one.slots) for one in patterns], dtype=np.int64),
        np.array([slot.distance for slot in slots], dtype=np.int64),
        np.array([slot.width for slot in slots], dtype=np.int64),
        np.array([slot.share for slot in slots], dtype=np.float64),
        np.array([len(slot.known) for slot in slots], dtype=np.int64),
        np.array([kept for _, kept in fillings], dtype=np.float64),
        np.array([token for tokens, _ in fillings for token in tokens], dtype=np.int64),
    )


def in_order(pattern: Pattern) -> list[PatternSlot]:
    """Return the slots in the order of comparison: what lets through least comes first.

    Of equal ones the last in the text does. The first one is the pivot: a pattern is only tried
    where this slot holds something that was seen to keep the activation, so none matches
    everywhere.
    """
    return sorted(pattern.slots, key=lambda slot: (slot.share, slot.distance))


def joined(several: Sequence[Compiled]) -> tuple[Compiled, Integers]:
    """Return the patterns of several neurons as one, and for each pattern its neuron's number."""
    columns = [[getattr(one, name) for one in several] for name in Compiled.__dataclass_fields__]
    owners = np.repeat(np.arange(len(several)), [len(one.sizes) for one in several])
    return Compiled(*(np.concatenate(column) for column in columns)), owners


@dataclass(frozen=True)
class Coded:
    """The fillings of slots as single numbers, and the same numbers all over a text.

    Attributes:
        fillings: a number for each filling, `[f]`.
        text: for each width the number of the run of so many tokens that ends at each place, or
            one that no filling has, `[largest width, places]`; the first row is width 1.
    """

    fillings: Integers
    text: Int[np.ndarray, "widths places"]


def code(compiled: Compiled, flat: Integers) -> Coded:
    """Give every run of tokens that is a filling a number; a text's other runs get -1."""
    width_of = np.repeat(compiled.widths, compiled.known)
    first = np.cumsum(width_of) - width_of
    fillings = np.full(len(width_of), -1, dtype=np.int32)
    widest = int(width_of.max(initial=1))
    text = np.full((widest, len(flat)), -1, dtype=np.int32)
    base = 1 + int(max(flat.max(initial=0), compiled.tokens.max(initial=0)))
    for width in range(1, widest + 1):
        members = np.flatnonzero(width_of == width)
        if not len(members):
            continue
        names = compiled.tokens[first[members]]
        at = np.arange(width - 1, len(flat))
        runs = flat[at - width + 1]
        for further in range(1, width):
            distinct, names = np.unique(names, return_inverse=True)
            where, there = found_in(distinct, runs)
            at, runs = at[there], where[there]
            names = names * base + compiled.tokens[first[members] + further]
            runs = runs * base + flat[at - width + 1 + further]
        distinct, names = np.unique(names, return_inverse=True)
        where, there = found_in(distinct, runs)
        fillings[members] = names
        text[width - 1, at[there]] = where[there]
    return Coded(fillings, text)


def found_in(ascending: Integers, values: Integers) -> tuple[Integers, Bool[np.ndarray, " m"]]:
    """Return where each value is in an ascending array, and whether it is there at all."""
    where = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return where, ascending[where] == values


def members_of(sizes: Integers, chosen: Integers) -> tuple[Integers, Integers]:
    """Return the members of chosen groups, where those of all groups follow one another.

    Args:
        sizes: of every group.
        chosen: numbers of groups.

    Returns:
        For each member the place of its group in `chosen`, and its number among all members.
    """
    counts = sizes[chosen]
    owner = np.repeat(np.arange(len(chosen)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, (np.cumsum(sizes) - sizes)[chosen][owner] + within
