"""Scores of a block: its explanations simulated on held-out text, every scorer asked, rows made."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmark.evaluation.experiment import Experiment
from benchmark.evaluation.explain import saved_forms
from benchmark.evaluation.simulate import Simulation, simulate
from benchmark.evidence import CALIBRATED_SUFFIX, Block, Truth
from benchmark.interface import Explainer, Explanation, Failure
from benchmark.results import FAILED, OK, explanation_bytes, explanation_line
from benchmark.results.resampled import RESAMPLED
from benchmark.scorers.calibration import calibration_columns, fit_block
from benchmark.scorers.causal.harness import replace_alone
from benchmark.scorers.reliability import correlation_support, count_positives
from benchmark.scorers.replicates import replicate_entries
from benchmark.scorers.simulation import score_block, score_firing


def score_explanations(
    experiment: Experiment,
    explainer: Explainer,
    block: Block,
    explanations: Sequence[Explanation | Failure],
    costs: dict[str, float] | Sequence[dict[str, float]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Simulate and score the explanations of a block; a failed neuron scores as the zero one."""
    truth = experiment.store.truth(block)
    config = experiment.config
    threshold = experiment.store.firing_thresholds(block)
    # Before anything is simulated, so that no explanation is found late to be none.
    answers, saved = saved_forms(explanations)
    began = time.perf_counter()
    simulated = simulate(explainer, answers, truth.tokens)
    if simulated.predicted is not None:
        truth = dataclasses.replace(truth, predicted=simulated.predicted)
    simulate_seconds = (time.perf_counter() - began) / len(block.neurons)
    names = config.metrics.metrics
    scores = score_block(truth, simulated.predictions, threshold, names)
    resampled = replicate_entries(
        truth, simulated.predictions, threshold, names, config.bootstrap.document_resamples
    )
    if config.other_reference is not None:
        scores |= score_firing(
            truth,
            simulated.predictions,
            experiment.store.firing_thresholds(block, config.other_reference),
            names,
            config.other_reference,
        )
    scores |= count_positives(truth, threshold)
    scores |= correlation_support(
        truth, simulated.predictions, seed=config.seed, level=config.bootstrap.confidence
    )
    scores |= replace_alone(experiment, block, truth, simulated.predictions, threshold)
    columns = {column: values.tolist() for column, values in scores.items()} | simulated.costs
    if config.calibrated:
        # Last, because it changes the predictions where they are.
        columns |= _calibrated_columns(experiment, explainer, block, truth, simulated, threshold)
    rows, lines = [], []
    for i, (neuron, explanation, data) in enumerate(
        zip(block.neurons.tolist(), simulated.explanations, saved, strict=True)
    ):
        row: dict[str, Any] = {"layer": block.layer, "neuron": neuron}
        if isinstance(explanation, Failure):
            row |= {"status": FAILED, "error": explanation.error, "cost/bytes": 0}
            lines.append(explanation_line(block.layer, neuron, error=explanation.error))
        else:
            row |= {"status": OK, "error": None, "cost/bytes": explanation_bytes(data or {})}
            lines.append(explanation_line(block.layer, neuron, data))
        row |= {column: values[i] for column, values in columns.items()}
        row |= {RESAMPLED: resampled[i]} if resampled else {}
        row |= costs if isinstance(costs, dict) else costs[i]
        row["cost/simulate_seconds"] = simulate_seconds
        rows.append(row)
    return rows, lines


def _calibrated_columns(
    experiment: Experiment,
    explainer: Explainer,
    block: Block,
    truth: Truth,
    simulated: Simulation,
    threshold: torch.Tensor,
) -> dict[str, list[Any]]:
    """Scores of the calibrated predictions, which take the place of the others, and the maps."""
    config = experiment.config
    calibration, kept = fit_block(
        config.calibration,
        experiment.store.calibration_truth(block),
        explainer,
        simulated.explanations,
    )
    calibration.apply_(simulated.predictions, kept)
    scores = score_block(
        truth,
        simulated.predictions,
        threshold,
        config.metrics.metrics,
        suffix=CALIBRATED_SUFFIX,
    )
    columns = {column: values.tolist() for column, values in scores.items()}
    return columns | calibration_columns(calibration, kept)
