"""Controls that predict one number whatever the text: the lower end of the scale."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import EXEMPLARS, Evidence, SubjectModel
from benchmark.vocabulary import Vocabulary
from explainers.complete_text import line_named, read_number
from explainers.float32 import shortest


@dataclass(frozen=True)
class ConstantExplanation:
    """The same activation, `value` in raw units, on every token."""

    text_is_complete: ClassVar[bool] = True

    value: float

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Predict `value` everywhere, `[batch, pos]`."""
        return torch.full(tokens.shape, self.value, device=tokens.device)

    def describe(self) -> str:
        """Show the number with all digits that the prediction, a float32, has."""
        return f"always {shortest(self.value):.9g}, whatever the text"

    @classmethod
    def from_text(
        cls,
        text: str,
        vocabulary: Vocabulary,  # noqa: ARG003
    ) -> ConstantExplanation:
        """Return the explanation that a text describes; no token is needed.

        Raises:
            ValueError: the text is another.
        """
        with line_named(1, text):
            number = re.fullmatch(r"always (\S+), whatever the text", text)
            if number is None:
                raise ValueError("it is not 'always <number>, whatever the text'")
            return cls(float(np.float32(read_number(number[1]))))

    def to_dict(self) -> dict[str, Any]:
        """Return the number."""
        return {"value": self.value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ConstantExplanation:
        """Return the explanation that `to_dict` saved."""
        return cls(float(data["value"]))


class Zero:
    """Control: every neuron is always 0. What a failed explanation scores, too."""

    explanation_class: ClassVar[type[Any]] = ConstantExplanation
    evidence = EXEMPLARS

    def explain(
        self,
        evidence: Evidence,
        subject: SubjectModel,  # noqa: ARG002
    ) -> list[ConstantExplanation]:
        """Return zero for each neuron; nothing is looked at."""
        return [ConstantExplanation(0.0)] * evidence.n_neurons


class Mean:
    """Control: every neuron always has its mean activation on the `explain` split."""

    explanation_class: ClassVar[type[Any]] = ConstantExplanation
    evidence = EXEMPLARS

    def explain(
        self,
        evidence: Evidence,
        subject: SubjectModel,  # noqa: ARG002
    ) -> list[ConstantExplanation]:
        """Return each neuron's mean; no context is looked at."""
        return [ConstantExplanation(mean) for mean in evidence.mean_activation.tolist()]
