"""Choice among candidates: of several explanations of a neuron, the one that simulates it best."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

import metrics
from benchmark.evaluation.experiment import Experiment
from benchmark.evaluation.simulate import simulate
from benchmark.evaluation.simulators import SimulatedExplainer
from benchmark.evidence import Block
from benchmark.interface import Explained, Explainer, Explanation, Failure, text_mask
from benchmark.results.columns import SIMULATED_TOKENS, choosing_cost, simulation_cost

STRONGEST, EVENLY = 8, 8
"""Contexts of the `calibrate` split on which a neuron's candidates are compared."""
TOKENS = 65
"""Tokens of each of these contexts, the first ones, with BOS."""


def choose(
    experiment: Experiment,
    explainer: Explainer | SimulatedExplainer,
    block: Block,
    answers: Sequence[Explained],
) -> tuple[list[Explanation | Failure], list[dict[str, float]]]:
    """Return the explanation of each neuron: of candidates the one that simulates it best.

    Candidates are simulated on a few contexts of the `calibrate` split, those on which the neuron
    is strongest and as many drawn evenly from the rest, and the one with the largest Pearson
    correlation is kept; of equal ones the first. No held-out text is read.

    Args:
        experiment: gives the truth on the `calibrate` split.
        explainer: with its simulator.
        block: the neurons.
        answers: what was explained, one for each neuron.

    Returns:
        The explanations, and for each neuron what choosing cost, as columns: none where no neuron
        has candidates.

    Raises:
        BenchmarkError: as `simulate`; or there is no text in the `calibrate` split.
    """
    chosen = [answer.answer for answer in answers]
    costs: list[dict[str, float]] = [{} for _ in answers]
    rows = [row for row, answer in enumerate(answers) if answer.candidates]
    if not rows:
        return chosen, costs
    truth = experiment.store.calibration_truth(block)
    tokens = truth.tokens[:, :TOKENS]
    text = text_mask(tokens, truth.bos)
    for row in rows:
        activations = truth.activations[row, :, :TOKENS]
        contexts = compared_contexts(activations.masked_fill(~text, -torch.inf))
        candidates = [chosen[row], *answers[row].candidates]
        found = simulate(explainer, candidates, tokens[contexts])
        scored = text[contexts].expand(found.predictions.shape)
        if found.predicted is not None:
            scored = scored & found.predicted
        scores = [
            _correlation(activations[contexts][mask], predicted[mask])
            if not isinstance(one, Failure)
            else -2.0
            for one, predicted, mask in zip(
                found.explanations, found.predictions, scored, strict=True
            )
        ]
        chosen[row] = candidates[scores.index(max(scores))]
        costs[row] = _costs(found.costs)
    names = sorted({name for one in costs for name in one})
    return chosen, [{name: one.get(name, 0.0) for name in names} for one in costs]


def compared_contexts(activations: Float[Tensor, "m ctx"]) -> Int[Tensor, " c"]:
    """Return the contexts on which the candidates of a neuron are compared.

    Args:
        activations: of the neuron, minus infinity where there is no text.
    """
    order = activations.amax(1).argsort(descending=True, stable=True)
    strongest, rest = order[:STRONGEST], order[STRONGEST:].sort().values
    evenly = torch.linspace(0, len(rest) - 1, min(EVENLY, len(rest))).round().long()
    return torch.cat([strongest, rest[evenly]])


def _correlation(truth: Float[Tensor, " t"], predicted: Float[Tensor, " t"]) -> float:
    """Return the Pearson correlation, 0 for a constant prediction."""
    threshold = torch.ones(1)  # of no meaning for a correlation
    found = metrics.compute(["pearson"], truth[None], predicted[None], threshold)["pearson"]
    return float(found.nan_to_num())


def _costs(simulated: dict[str, list[float]]) -> dict[str, float]:
    """Return what simulating the candidates of one neuron cost, as columns."""
    prefix = simulation_cost("")
    costs = {
        choosing_cost(name.removeprefix(prefix)): sum(values)
        for name, values in simulated.items()
        if name.startswith(prefix)
    }
    return costs | {choosing_cost("tokens"): sum(simulated.get(SIMULATED_TOKENS, [0.0]))}
