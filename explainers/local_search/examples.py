"""Minimal activating examples, and the activations with their words substituted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from explainers.anchors import Anchored
from explainers.local_search.prune import Pruned


@dataclass(frozen=True)
class Trial:
    """A substitute that was tried in an example.

    Attributes:
        replacement: the ids that were put in a slot's place.
        activation: what the neuron then did, raw units.
        positive: whether it kept the activation, or broke it.
    """

    replacement: tuple[int, ...]
    activation: float
    positive: bool


@dataclass(frozen=True)
class Slot:
    """A word of an example, or a single token that is part of none.

    Attributes:
        start, stop: its tokens are `example.tokens[start:stop]`.
        trials: the positive and negative substitutes, by falling activation.
        unused: how many further ones were neither.
    """

    start: int
    stop: int
    trials: tuple[Trial, ...] = ()
    unused: int = 0

    @property
    def share(self) -> float | None:
        """Return the share of positive ones among its trials, None where there is none."""
        if not self.trials:
            return None
        return sum(trial.positive for trial in self.trials) / len(self.trials)


@dataclass(frozen=True)
class Example:
    """A minimal activating example.

    Attributes:
        tokens: what is left of the exemplar, without BOS; the last one is the activating token.
        tail: what the window keeps after that one; it has no say.
        activation: of the neuron at the activating token, raw units.
        count: exemplars that were pruned to it.
        slots: its words, from the start to the end. Where documents meet in it, those of the last
            one alone.
    """

    tokens: tuple[int, ...]
    tail: tuple[int, ...]
    activation: float
    count: int
    slots: tuple[Slot, ...] = ()


def examples_of(
    exemplars: Anchored, pruned: Pruned, n_neurons: int, window: int
) -> list[list[Example]]:
    """Return the distinct examples of each neuron, strongest first, equal ones by their mean."""
    found: list[dict[tuple[int, ...], list[tuple[float, tuple[int, ...]]]]]
    found = [{} for _ in range(n_neurons)]
    for tokens, owner, start, anchor, activation in zip(
        exemplars.tokens,
        exemplars.owners.tolist(),
        pruned.starts.tolist(),
        exemplars.anchors.tolist(),
        pruned.activations.tolist(),
        strict=True,
    ):
        context = tuple(tokens[start : anchor + 1].tolist())
        tail = tuple(tokens[anchor + 1 : anchor + 1 + window].tolist())
        found[owner].setdefault(context, []).append((activation, tail))
    return [
        sorted(
            (_together(context, seen) for context, seen in one.items()),
            key=lambda example: (-example.activation, example.tokens),
        )
        for one in found
    ]


def _together(context: tuple[int, ...], seen: Sequence[tuple[float, tuple[int, ...]]]) -> Example:
    mean = sum(sorted(activation for activation, _ in seen)) / len(seen)
    return Example(context, min(tail for _, tail in seen), saved(mean), len(seen))


def saved(activation: float) -> float:
    """Return an activation as it is saved and simulated: to four significant digits."""
    return float(f"{activation:.4g}")


def context_of(example: Example, bos: int) -> Int[np.ndarray, " pos"]:
    """Return BOS and the whole example."""
    return np.array([bos, *example.tokens, *example.tail], dtype=np.int64)
