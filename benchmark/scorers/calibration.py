"""Calibration scorer: scores after each neuron's predictions were mapped to its own scale."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

import metrics
from benchmark.column import Column
from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.interface import Failure, ScoredBlock
from benchmark.results.columns import (
    CLIPPED,
    INTERCEPT,
    SCORING_SETS,
    SLOPE,
    UNDEFINED,
    calibrated_set,
    describe,
    score_column,
)
from benchmark.scorers.simulation import score_block


class CalibrationScorer:
    """The metrics of the run on calibrated predictions, and each neuron's map.

    The maps are fitted on the `calibrate` split and nothing else. This scorer comes last, because
    it changes the predictions where they are: a copy of them would not fit in memory.
    """

    def __init__(self, config: RunConfig) -> None:
        self._method = config.calibration
        self._contexts = config.contexts.calibrate
        self._names = list(config.metrics.metrics)

    def columns(self) -> list[Column]:
        """Return the metrics after calibration, and the columns of the maps."""
        sets = map(calibrated_set, SCORING_SETS)
        scores = [score_column(one, name) for one in sets for name in (*self._names, UNDEFINED)]
        return [describe(name) for name in (*scores, SLOPE, INTERCEPT, CLIPPED)]

    def identity(self) -> dict[str, Any]:
        """Return how the maps are fitted, and on how much text."""
        return {"calibration": [self._method, self._contexts]}

    def score(self, block: ScoredBlock) -> dict[str, Any]:
        """Score the calibrated predictions of a block."""
        calibration, kept = fit_block(self._method, block)
        calibration.apply_(block.predictions, kept)
        scores = score_block(
            block.truth,
            block.predictions,
            block.firing_threshold,
            self._names,
            called=calibrated_set,
        )
        return {**scores, **calibration_columns(calibration, kept)}


def fit_block(method: str, block: ScoredBlock) -> tuple[metrics.Calibration, Bool[Tensor, " n"]]:
    """Simulate a block on the `calibrate` split and fit a map for each neuron.

    Args:
        method: `linear` or `isotonic`.
        block: the block.

    Returns:
        The maps, and which neurons' predictions stay as they are, `[n]`: those without an
        explanation, which predict zero, and those that cannot be simulated on this text.
    """
    truth = block.calibration()
    simulated = block.simulate(truth.tokens)
    text = truth.tokens != truth.bos
    if simulated.predicted is not None:
        if len(simulated.predicted) > 1:
            raise BenchmarkError(
                "calibration needs a simulator that predicts the same tokens of every neuron; "
                "leave calibration out."
            )
        text &= simulated.predicted[0]
    calibration = metrics.fit_calibration(
        method, truth.activations[:, text], simulated.predictions[:, text]
    )
    failed = [isinstance(one, Failure) for one in simulated.explanations]
    return calibration, torch.tensor(failed, dtype=torch.bool)


def calibration_columns(
    calibration: metrics.Calibration, kept: Bool[Tensor, " n"]
) -> dict[str, list[Any]]:
    """Return what is written of each neuron's map; null where it has no such number."""
    slope, intercept = (
        [
            None if keep or value != value else value
            for value, keep in zip(values, kept.tolist(), strict=True)
        ]
        for values in (calibration.slope.tolist(), calibration.intercept.tolist())
    )
    return {
        SLOPE: slope,
        INTERCEPT: intercept,
        CLIPPED: (calibration.clipped & ~kept).tolist(),
    }
