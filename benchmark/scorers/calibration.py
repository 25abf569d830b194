"""Calibration of a block's predictions, fitted on the `calibrate` split and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

import metrics
from benchmark.errors import BenchmarkError
from benchmark.evaluation.simulate import simulate
from benchmark.evidence import CalibrationTruth
from benchmark.interface import Explainer, Explanation, Failure


def fit_block(
    method: str,
    truth: CalibrationTruth,
    explainer: Explainer,
    explanations: Sequence[Explanation | Failure],
) -> tuple[metrics.Calibration, Bool[Tensor, " n"]]:
    """Simulate a block on the `calibrate` split and fit a map for each neuron.

    Args:
        method: `linear` or `isotonic`.
        truth: the block's true activations there.
        explainer: what made the explanations.
        explanations: one per neuron, or its failure.

    Returns:
        The maps, and which neurons' predictions stay as they are, `[n]`: those without an
        explanation, which predict zero, and those that cannot be simulated on this text.
    """
    simulated = simulate(explainer, explanations, truth.tokens)
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
    """What is written of each neuron's map; null where there is none, or it has no such number."""
    slope, intercept = (
        [
            None if keep or value != value else value
            for value, keep in zip(values, kept.tolist(), strict=True)
        ]
        for values in (calibration.slope.tolist(), calibration.intercept.tolist())
    )
    return {
        "calibration/slope": slope,
        "calibration/intercept": intercept,
        "calibration/clipped": (calibration.clipped & ~kept).tolist(),
    }
