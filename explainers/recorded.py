"""Explanations of others that were imported, with what was recorded of their simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmark.errors import BenchmarkError
from benchmark.files.explanation_size import SHOWN
from benchmark.interface import EXEMPLARS, Answer, Evidence, SubjectModel


@dataclass(frozen=True)
class RecordedExplanation:
    """What somebody else's method says about a unit, in words.

    Attributes:
        text: the explanation.
        max_activation: the unit's largest recorded activation, raw units; None where none is.
        shown: what was recorded besides, such as predictions on sequences.
    """

    text: str
    max_activation: float | None = None
    shown: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def describe(self) -> str:
        """Return the explanation."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation, and under `shown` what was recorded."""
        data = {"text": self.text, "max_activation": self.max_activation}
        return {**data, SHOWN: dict(self.shown)} if self.shown else data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RecordedExplanation:
        """Return the explanation that `to_dict` saved.

        Raises:
            ValueError: it has no text.
        """
        if not isinstance(data["text"], str):
            raise ValueError(f"the text of an explanation is {data['text']!r:.60}")
        maximum = data.get("max_activation")
        kept = None if maximum is None else float(maximum)
        return cls(data["text"], kept, dict(data.get(SHOWN) or {}))


class Recorded:
    """What made imported explanations; it reads them and explains nothing."""

    evidence: str = EXEMPLARS
    explanation_class: ClassVar[type[Any]] = RecordedExplanation

    def explain(self, evidence: Evidence, subject: SubjectModel) -> list[Answer]:  # noqa: ARG002
        """Refuse: what was imported cannot be made again.

        Raises:
            BenchmarkError: always.
        """
        raise BenchmarkError(
            "explainer 'recorded' explains nothing: its explanations were imported."
        )
