"""Controls that predict one number whatever the text: the lower end of the scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import EXEMPLARS, Evidence, SubjectModel


@dataclass(frozen=True)
class ConstantExplanation:
    """The same activation, `value` in raw units, on every token."""

    value: float

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Predict `value` everywhere, `[batch, pos]`."""
        return torch.full(tokens.shape, self.value, device=tokens.device)

    def describe(self) -> str:
        """Show the number."""
        return f"always {self.value:.4g}, whatever the text"

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
