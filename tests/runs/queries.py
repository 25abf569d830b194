"""An explainer of a third party that makes every query, with nothing but what `benchmark` exports.

It replaces each token before the anchor of the strongest exemplar by what the subject expects there
and asks how much of the activation is left. `PREFIXES` says whether it names what contexts share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

import benchmark


@dataclass(frozen=True)
class Effects:
    """The token before which a change matters most, and the activation after it."""

    token: int
    activation: float
    remaining: list[float] = field(default_factory=list)

    def simulate(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.where(tokens == self.token, self.activation, 0.0)

    def describe(self) -> str:
        return f"{self.activation:.4g} after token {self.token}"

    def to_dict(self) -> dict[str, Any]:
        return vars(self).copy()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Effects:
        return cls(**data)


class Substitution:
    """Explains a neuron by the token of its strongest exemplar that matters most."""

    evidence = "exemplars"
    explanation_class = Effects
    PREFIXES = True

    def explain(
        self, evidence: benchmark.Evidence, subject: benchmark.SubjectModel
    ) -> Sequence[benchmark.Explanation | benchmark.Failure]:
        return [self._one(evidence, row, subject) for row in range(evidence.n_neurons)]

    def _one(
        self, evidence: benchmark.Evidence, row: int, subject: benchmark.SubjectModel
    ) -> benchmark.Explanation | benchmark.Failure:
        neuron = int(evidence.neurons[row])
        assert neuron < subject.n_units(evidence.layer)
        anchor = int(evidence.exemplars.anchors[row, 0])
        context = evidence.exemplars.tokens[row, :1, : anchor + 1]
        likely = subject.likely_next(context, 2)[0]
        places = torch.arange(1, anchor + 1)
        variants = context.repeat(len(places), 1)
        variants[places - 1, places] = likely[places - 1, 0]
        prefixes = benchmark.SharedPrefixes(context, torch.zeros_like(places), places)
        remaining = subject.last_activations(
            variants,
            evidence.layer,
            torch.arange(len(places)),
            torch.full_like(places, neuron),
            prefixes if self.PREFIXES else None,
        )
        if not len(places):
            return benchmark.Failure("the anchor is the first token")
        token = int(context[0, 1 + int(remaining.argmin())])
        whole = subject.activations(context, evidence.layer, torch.tensor([neuron]))
        return Effects(
            token, float(whole[0, -1, 0]), [round(each, 4) for each in remaining.tolist()]
        )


class WithoutPrefixes(Substitution):
    """The same queries without naming what the contexts share."""

    PREFIXES = False
