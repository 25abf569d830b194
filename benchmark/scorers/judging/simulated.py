"""Detection by simulation: which windows activate a neuron, as its own simulation says.

What a judge is asked of a sentence, a program answers by predicting: a window is said to activate
the neuron the more, the larger the largest activation is that is predicted in it. So every
explainer has the score by which the field compares sentences, and no language model is asked.
"""

from __future__ import annotations

from typing import Any

import torch

import metrics
from benchmark.column import Column
from benchmark.interface import ScoredBlock
from benchmark.results.columns import (
    DETECTION_METRICS,
    TOP,
    UNIFORM,
    UNIFORM_SMALL,
    describe,
    detection_column,
)
from benchmark.scorers.judging.items import ItemDraw

WINDOW, ITEMS = 32, 50
"""Tokens of a window and items of each kind, as usual in the field."""
SETS = {UNIFORM: (UNIFORM, TOP), UNIFORM_SMALL: (UNIFORM_SMALL,)}
"""Whose contexts items are drawn from, under the name of the set that columns name."""


class SimulatedDetection:
    """How well the largest predicted activation tells windows that activate a neuron from others.

    On windows of the `uniform` and `top` sets together, and of `uniform_small` alone. Null for a
    neuron without an activating window, or without another one.
    """

    def columns(self) -> list[Column]:
        """Return AUC, balanced accuracy at the firing threshold, and the number of items."""
        return [
            describe(detection_column(name, drawn)) for drawn in SETS for name in DETECTION_METRICS
        ]

    def identity(self) -> dict[str, Any]:
        """Return nothing: the items are always the same, and a run is what it was without them."""
        return {}

    def score(self, block: ScoredBlock) -> dict[str, Any]:
        """Score the predictions of a block, where they are."""
        found: dict[str, list[Any]] = {}
        for drawn, sets in SETS.items():
            draw = ItemDraw(block.truth, sets, WINDOW)
            for place, neuron in enumerate(block.neurons.tolist()):
                threshold = block.firing_threshold[place : place + 1]
                name = f"{block.layer}.{neuron}"
                items = draw.of(place, float(threshold), name, ITEMS)
                activating = torch.from_numpy(items.activating)
                below = torch.nextafter(threshold, torch.tensor(-torch.inf))
                truth = torch.where(activating, threshold, below)
                values = _scores(truth, items.maxima(block.predictions[place]), threshold)
                counts = int(activating.sum()), int((~activating).sum())
                for metric, value in zip(DETECTION_METRICS, (*values, *counts), strict=True):
                    found.setdefault(detection_column(metric, drawn), []).append(value)
        return found


def _scores(
    truth: torch.Tensor, predicted: torch.Tensor, threshold: torch.Tensor
) -> tuple[float | None, float | None]:
    """Return AUC and balanced accuracy; None without an item of one of the kinds."""
    positives = int((truth >= threshold).sum())
    if not 0 < positives < len(truth):
        return None, None
    names = ["auroc", "balanced_accuracy"]
    found = metrics.compute(names, truth[None], predicted[None], threshold)
    auc, accuracy = (float(found[name][0]) for name in names)
    return auc, accuracy
