"""Entries: what a file of others says about one unit, whichever format it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.results.columns import TOP, TOP_AND_RANDOM


@dataclass(frozen=True)
class Sequence:
    """A text with what a neuron did on it and what was predicted.

    Attributes:
        tokens: as text; ids are not recorded.
        truth: true activations, raw units; NaN where none is recorded.
        predicted: predicted activations, raw units; NaN as above.
        kind: what its file says of where it is from, such as `random_test`; may be empty.
    """

    tokens: tuple[str, ...]
    truth: tuple[float, ...]
    predicted: tuple[float, ...]
    kind: str = ""


@dataclass(frozen=True)
class Entry:
    """An explanation of a unit with what is recorded of it.

    Attributes:
        layer: of the unit.
        neuron: its index in the layer.
        text: the explanation.
        method: what made it, as a name for tables.
        where: the file, for messages.
        subject: the language model, where the file names it.
        site: what the unit is read from, where the file names it.
        sequences: recorded predictions; empty where none are.
        scoring_set: which scoring set the sequences are most like.
        scores: recorded scores by name, NaN for one that does not exist.
        max_activation: the unit's largest activation, raw units, where it is recorded.
    """

    layer: int
    neuron: int
    text: str
    method: str
    where: str
    subject: str = ""
    site: str = ""
    sequences: tuple[Sequence, ...] = ()
    scoring_set: str = TOP_AND_RANDOM
    scores: Mapping[str, float] = field(default_factory=dict)
    max_activation: float | None = None

    def __post_init__(self) -> None:
        assert self.scoring_set in (TOP, TOP_AND_RANDOM)

    @property
    def name(self) -> str:
        """Return the unit's name, such as `3.400`."""
        return f"{self.layer}.{self.neuron}"
