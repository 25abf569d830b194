"""Counts of a neuron's exemplars: used, in the trie, or left out, and for what reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from explainers.n2g.examples import Example
from explainers.n2g.pivots import Pivots
from explainers.n2g.prune import Pruned

# Why an exemplar is not used, or is used and does not reach the trie, and how a person reads it.
NOT_CHOSEN, WEAK, WHOLE, FADED = "not_chosen", "weak", "whole", "faded"
DROPPED = {
    NOT_CHOSEN: "not chosen",
    WEAK: "too weak",
    WHOLE: "in need of their whole context",
    FADED: "too weak once pruned",
}


@dataclass(frozen=True)
class Counts:
    """What became of a neuron's exemplars.

    Attributes:
        exemplars: how many there were.
        used: those that were pruned.
        whole: of these, how many kept a whole context, as no shorter one kept the activation.
        reached: of the used, how many the trie holds a path of; None in explanations that were
            saved when this was not counted.
        dropped: how many of the others were left out, by the reason; see `DROPPED`.
    """

    exemplars: int = 0
    used: int = 0
    whole: int = 0
    reached: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return all counts by name."""
        return {
            "exemplars": self.exemplars,
            "used": self.used,
            "whole": self.whole,
            "reached": self.reached,
            "dropped": dict(self.dropped),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | Sequence[int]) -> Counts:
        """Return the counts that were saved, by name or as the three numbers of older runs."""
        if not isinstance(data, Mapping):
            exemplars, used, whole = data
            return cls(int(exemplars), int(used), int(whole))
        reached = data["reached"]
        dropped = {str(reason): int(number) for reason, number in data["dropped"].items()}
        return cls(
            int(data["exemplars"]),
            int(data["used"]),
            int(data["whole"]),
            None if reached is None else int(reached),
            dropped,
        )


def count_exemplars(
    shown: Int[np.ndarray, " n"],
    chosen: Bool[np.ndarray, " k"],
    pivots: Pivots,
    pruned: Pruned,
    kept: Bool[np.ndarray, " e"],
    examples: Iterable[Example],
) -> list[Counts]:
    """Count what became of each neuron's exemplars; each is used or dropped for one reason.

    Args:
        shown: how many exemplars each neuron has.
        chosen: which of the strongest were to be used; those beyond them all were.
        pivots: all that were pruned.
        pruned: what pruning found for them.
        kept: whether something was made of what pruning found.
        examples: what entered the tries.
    """
    used: list[set[int]] = [set() for _ in shown]
    whole: list[set[int]] = [set() for _ in shown]
    left: list[set[int]] = [set() for _ in shown]
    reached: list[set[int]] = [set() for _ in shown]
    rows = zip(pivots.anchored.owners, pivots.exemplars, pruned.accepted, kept, strict=True)
    for owner, number, accepted, is_kept in rows:
        used[owner].add(int(number))
        if is_kept:
            left[owner].add(int(number))
            if not accepted:
                whole[owner].add(int(number))
    for example in examples:
        reached[example.owner].update(value.exemplar for value in example.values)
    counts = []
    for owner, number_shown in enumerate(shown.tolist()):
        dropped: dict[str, int] = {}
        for number in range(number_shown):
            if number in reached[owner]:
                continue
            if number < len(chosen) and not chosen[number]:
                reason = NOT_CHOSEN
            elif number not in used[owner]:
                reason = WEAK
            else:
                reason = FADED if number in left[owner] else WHOLE
            dropped[reason] = dropped.get(reason, 0) + 1
        counts.append(
            Counts(
                number_shown,
                len(used[owner]),
                len(whole[owner]),
                len(reached[owner]),
                {reason: dropped[reason] for reason in DROPPED if reason in dropped},
            )
        )
    return counts
