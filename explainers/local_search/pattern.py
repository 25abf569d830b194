"""Patterns: what an example and its substitutes say about text, slot by slot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from explainers.local_search.examples import Example, Slot


@dataclass(frozen=True)
class PatternSlot:
    """One slot of a pattern.

    Attributes:
        distance: tokens from the activating one back to the slot's last one.
        width: how many tokens it has.
        share: the part of the activation that is expected where the slot holds what was never
            tried.
        known: what was seen in it, each with the part of the activation that it kept; first what
            the example itself has, which kept all of it. All have the slot's width.
    """

    distance: int
    width: int
    share: float
    known: tuple[tuple[tuple[int, ...], float], ...]


@dataclass(frozen=True)
class Pattern:
    """What predicts `activation` where all of its slots hold what they held in an example.

    Attributes:
        activation: raw units.
        slots: from the activating token back.
    """

    activation: float
    slots: tuple[PatternSlot, ...]


def patterns_of(examples: Sequence[Example]) -> list[Pattern]:
    """Return the patterns of one neuron's examples.

    A slot that was tried counts, for anything else, by the share of its trials that kept the
    activation: where all did it is a wildcard, where none did it needs what the example has.
    One that was not tried (a stop word, or nothing was proposed, or nothing was clear) needs the
    example's token if it is the activating one; elsewhere it counts as the neuron's other slots
    did on average, and if none of them was tried it needs its token too.

    A positive substitute of another length than its slot shifts what stands before it, so it makes
    a pattern of its own, in which that slot needs it. A negative one of another length is counted
    in the share alone.

    An example that needs what stands before another document's start makes no pattern: no
    prediction looks into another document.
    """
    elsewhere = share_elsewhere(examples)
    found: dict[tuple[PatternSlot, ...], float] = {}
    for example in examples:
        if not example.slots or example.slots[0].start:
            continue  # a BOS stands before the first slot
        for pattern in _of_example(example, elsewhere):
            before = found.get(pattern.slots)
            if before is None or pattern.activation > before:
                found[pattern.slots] = pattern.activation
    return [Pattern(activation, slots) for slots, activation in found.items()]


def share_elsewhere(examples: Sequence[Example]) -> float:
    """Return the mean share of the tried slots, without activating ones; 0 if none was tried."""
    shares = [
        slot.share
        for example in examples
        for slot in example.slots
        if slot.share is not None and slot.stop < len(example.tokens)
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _of_example(example: Example, elsewhere: float) -> Iterator[Pattern]:
    slots = [_slot(example, slot, elsewhere) for slot in reversed(example.slots)]
    yield Pattern(example.activation, tuple(slots))
    for number, slot in enumerate(reversed(example.slots)):
        for trial in slot.trials:
            shift = len(trial.replacement) - (slot.stop - slot.start)
            if shift and trial.positive:
                new = PatternSlot(
                    slots[number].distance,
                    len(trial.replacement),
                    0.0,
                    ((trial.replacement, 1.0),),
                )
                further = [
                    replace(one, distance=one.distance + shift) for one in slots[number + 1 :]
                ]
                yield Pattern(trial.activation, (*slots[:number], new, *further))


def _slot(example: Example, slot: Slot, elsewhere: float) -> PatternSlot:
    length, width = len(example.tokens), slot.stop - slot.start
    share = slot.share
    if share is None:
        share = 0.0 if slot.stop == length else elsewhere
    known = {example.tokens[slot.start : slot.stop]: 1.0}
    for trial in slot.trials:
        if len(trial.replacement) == width:
            known.setdefault(trial.replacement, max(0.0, trial.activation / example.activation))
    return PatternSlot(length - slot.stop, width, share, tuple(known.items()))
