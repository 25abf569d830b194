"""Control `oracle`: the truth itself, queried while simulating; the top of the scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS, Evidence, SubjectModel


class OracleExplanation:
    """The neuron's name; what it does is asked from the subject.

    Attributes:
        layer, neuron: which neuron.
    """

    text_is_complete: ClassVar[bool] = False

    def __init__(self, layer: int, neuron: int, subject: SubjectModel | None = None) -> None:
        self.layer = layer
        self.neuron = neuron
        self._subject = subject

    @property
    def subject(self) -> SubjectModel:
        """Return the subject that is queried.

        Raises:
            BenchmarkError: none was given.
        """
        if self._subject is None:
            raise BenchmarkError(
                f"the oracle's explanation of layer {self.layer}, neuron {self.neuron} has no "
                "subject to ask; give it one with bind(subject)."
            )
        return self._subject

    def bind(self, subject: SubjectModel) -> None:
        """Give a loaded explanation the subject it asks."""
        self._subject = subject

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Query the true activations, `[batch, pos]`, raw units.

        Raises:
            BenchmarkError: no subject is bound.
        """
        return self.subject.activations(tokens, self.layer, torch.tensor([self.neuron]))[..., 0]

    def describe(self) -> str:
        """Name the neuron."""
        return f"whatever the subject's layer {self.layer}, neuron {self.neuron} truly does"

    def to_dict(self) -> dict[str, Any]:
        """Return layer and neuron."""
        return {"layer": self.layer, "neuron": self.neuron}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OracleExplanation:
        """Return the explanation that `to_dict` saved; `bind` it before it simulates."""
        return cls(int(data["layer"]), int(data["neuron"]))


class Oracle:
    """Control: simulates by running the subject; it must score 1.0, or the harness is wrong."""

    explanation_class: ClassVar[type[Any]] = OracleExplanation
    evidence = EXEMPLARS

    def explain(self, evidence: Evidence, subject: SubjectModel) -> list[OracleExplanation]:
        """Return each neuron's name; no context is looked at."""
        neurons = evidence.neurons.tolist()
        return [OracleExplanation(evidence.layer, neuron, subject) for neuron in neurons]

    def simulate_block(
        self, explanations: Sequence[OracleExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all neurons of a layer by one pass of the subject.

        Raises:
            BenchmarkError: no subject is bound.
        """
        layers = torch.tensor([one.layer for one in explanations])
        neurons = torch.tensor([one.neuron for one in explanations])
        distinct = sorted({one.layer for one in explanations})
        subject = explanations[0].subject
        if len(distinct) == 1:
            return subject.activations(tokens, distinct[0], neurons)
        found = torch.empty(*tokens.shape, len(explanations), device=tokens.device)
        for layer in distinct:
            columns = (layers == layer).nonzero()[:, 0]
            true = subject.activations(tokens, layer, neurons[columns])
            found[..., columns.to(found.device)] = true.to(found.device)
        return found
