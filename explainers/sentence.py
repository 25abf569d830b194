"""Sentence about a neuron: text that a person reads and a simulator predicts from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.files.explanation_size import SHOWN


@dataclass(frozen=True)
class Sentence:
    """What a neuron does, in words; a `Simulator` predicts from it.

    A simulator answers in levels such as 0 to 10; the largest activation turns them into raw units.

    Attributes:
        text: the sentence, not empty.
        max_activation: the neuron's largest activation on the `explain` split, raw units.
        shown: JSON values for people, such as the sentences that were not chosen; nothing of it
            predicts.
    """

    text: str
    max_activation: float
    shown: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError("a sentence is empty")
        if not math.isfinite(self.max_activation):
            raise ValueError(f"the largest activation is {self.max_activation}")

    def describe(self) -> str:
        """Return the sentence."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return the sentence and its scale, and under `shown` what is for people alone."""
        kept: dict[str, Any] = {"text": self.text, "max_activation": self.max_activation}
        return {**kept, SHOWN: dict(self.shown)} if self.shown else kept

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Sentence:
        """Return the sentence that `to_dict` saved.

        Raises:
            ValueError: it is empty, or its scale is no number.
        """
        text = data["text"]
        if not isinstance(text, str):
            raise ValueError(f"the text of a sentence is {text!r:.60}")
        return cls(text, float(data["max_activation"]), dict(data.get(SHOWN) or {}))
