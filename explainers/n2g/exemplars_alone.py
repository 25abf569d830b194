"""N2G's check without a sample: a neuron's own exemplars stand in for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from benchmark.interface import Evidence, Failure, Sample
from explainers.float32 import shortest
from explainers.n2g.explanation import N2GExplanation

Answer = N2GExplanation | Failure


def check_on_exemplars(
    evidence: Evidence, explain: Callable[[Evidence, Sample], list[Answer]]
) -> list[Answer]:
    """Explain each neuron alone, its own exemplars being its sample.

    Exemplars are chosen because the neuron fires in them, so they tell how strongly a pattern
    fires and where in them it fires wrongly, but not what the neuron does elsewhere: where no
    pattern matches, its mean over the `explain` split is predicted.

    Args:
        evidence: a block's evidence.
        explain: explains a block by a sample.
    """
    answers: list[Answer] = []
    for row in range(evidence.n_neurons):
        own = evidence.select(torch.tensor([row]))
        tokens, activations = own.exemplars.tokens[0], own.exemplars.activations[0]
        (answer,) = explain(own, Sample(tokens, activations[..., None]))
        if isinstance(answer, N2GExplanation):
            mean = float(own.mean_activation[0]) / float(own.max_activation[0])
            answer = replace(answer, default=shortest(mean))
        answers.append(answer)
    return answers
