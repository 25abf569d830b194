"""An explainer as a third party writes it: a neuron fires on one token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.interface import Evidence, Explanation, Failure, SubjectModel


@dataclass(frozen=True)
class OneTokenExplanation:
    """`strength` on one token, `rest` on all others, raw units."""

    token: int
    text: str
    strength: float
    rest: float

    def simulate(self, tokens: torch.Tensor) -> torch.Tensor:
        """[batch, pos] token ids to [batch, pos] activations."""
        found = torch.full(tokens.shape, self.rest, device=tokens.device)
        return found.masked_fill(tokens == self.token, self.strength)

    def describe(self) -> str:
        return f"{self.strength:.4g} on {self.text!r}, {self.rest:.4g} elsewhere"

    def to_dict(self) -> dict[str, Any]:
        return vars(self).copy()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OneTokenExplanation:
        return cls(**data)


class OneToken:
    """A neuron fires on one token, the commonest anchor of its exemplars"""

    evidence = "exemplars"  # or "exemplars+sample"
    explanation_class = OneTokenExplanation

    def __init__(self, share: float = 0.2) -> None:
        """`share`: the part of a neuron's exemplars that the token must anchor."""
        self.share = share

    def explain(self, evidence: Evidence, subject: SubjectModel) -> Sequence[Explanation | Failure]:
        exemplars = evidence.exemplars
        if not exemplars.tokens.shape[1]:
            return [Failure("no exemplars")] * evidence.n_neurons
        anchors = exemplars.tokens.gather(2, exemplars.anchors[..., None])[..., 0]  # [n, k]
        tokens = anchors.mode(1).values  # [n]
        same = anchors == tokens[:, None]
        strongest = exemplars.activations.gather(2, exemplars.anchors[..., None])[..., 0]
        strengths = (strongest * same).sum(1) / same.sum(1)
        return [
            OneTokenExplanation(token, subject.tokenizer.decode([token]), strength, rest)
            if share >= self.share
            else Failure(f"no token anchors {self.share:.0%} of the exemplars")
            for token, strength, rest, share in zip(
                tokens.tolist(),
                strengths.tolist(),
                evidence.mean_activation.tolist(),
                same.float().mean(1).tolist(),
                strict=True,
            )
        ]
