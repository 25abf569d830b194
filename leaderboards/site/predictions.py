"""Predictions of the saved explanations of a run on the tokens that a report shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun
from benchmark.evaluation.simulate import simulate
from benchmark.evaluation.simulators import scoring_sets_of
from benchmark.evidence import Block
from benchmark.interface import Explanation, Failure, SubjectModel
from benchmark.results import SavedExplanation
from leaderboards.site.groups import Method


@dataclass(frozen=True)
class Predictions:
    """What one method says about the neurons of a block.

    Attributes:
        explanations: one per neuron, its failure, or None where the run did not ask about it.
        shared: on the tokens that all neurons share, raw units, `[n, m, ctx]`.
        own: on each neuron's own tokens, `[n, k, ctx]`.
    """

    explanations: list[Explanation | Failure | None]
    shared: Float[Tensor, "n m ctx"]
    own: Float[Tensor, "n k ctx"]


class Predictor:
    """A method's explainer with its saved explanations."""

    def __init__(self, method: Method, subject: SubjectModel, trust: Collection[str] = ()) -> None:
        self.method = method
        self._subject = subject
        self._reopened = ReopenedRun(method.run, trust)

    def predict(
        self, block: Block, shared: Int[Tensor, "m ctx"], own: Int[Tensor, "n k ctx"]
    ) -> Predictions:
        """Simulate a block; a neuron without explanation is predicted to be zero everywhere."""
        keys = [(block.layer, neuron) for neuron in block.neurons.tolist()]
        saved = {(line.layer, line.neuron): line for line in self.method.run.explanations(keys)}
        found = [self._restored(saved.get(key)) for key in keys]
        asked = [one if one is not None else Failure("not in this run") for one in found]
        of_part = BenchmarkError(
            f"'{self.method.run.folder}': a report shows every token of a context, and the "
            "simulator of this run predicts only a part of them; leave it out of the report."
        )
        if scoring_sets_of(self._reopened.explainer) is not None:
            raise of_part
        jointly = simulate(self._reopened.explainer, asked, shared)
        if jointly.predicted is not None:
            raise of_part
        known: list[Explanation | Failure | None] = [
            None if one is None else now
            for one, now in zip(found, jointly.explanations, strict=True)
        ]
        return Predictions(known, jointly.predictions, self._own(jointly.explanations, own))

    def _own(
        self, explanations: Sequence[Explanation | Failure], own: Int[Tensor, "n k ctx"]
    ) -> Float[Tensor, "n k ctx"]:
        # Jointly every neuron would be simulated on the tokens of all others too.
        predicted = torch.zeros(own.shape)
        for row, one in enumerate(explanations):
            if not isinstance(one, Failure):
                predicted[row] = simulate(self._reopened.explainer, [one], own[row]).predictions[0]
        return predicted

    def _restored(self, line: SavedExplanation | None) -> Explanation | Failure | None:
        if line is None:
            return None
        return self._reopened.restored(line, self._subject)
