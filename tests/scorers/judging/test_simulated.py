"""Detection by simulation against scikit-learn, one window at a time, and on known predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmark.interface import ScoredBlock
from benchmark.results.columns import DETECTION_METRICS, detection_column
from benchmark.scorers.judging.items import ItemDraw
from benchmark.scorers.judging.simulated import ITEMS, SETS, WINDOW, SimulatedDetection
from tests.scorers.judging.test_items import everywhere, make_truth


def block_of(truth: Any, predictions: torch.Tensor, threshold: float = 0.5) -> ScoredBlock:
    """What the scorer reads of a block."""
    nothing = cast(Any, None)
    n = len(predictions)
    return ScoredBlock(
        layer=3,
        neurons=torch.arange(n),
        truth=truth,
        predictions=predictions,
        explanations=[],
        firing_threshold=torch.full((n,), threshold),
        mean_activation=torch.zeros(n),
        max_activation=torch.ones(n),
        subject=nothing,
        simulate=nothing,
        thresholds=nothing,
        calibration=nothing,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [1000, 3])  # a prediction of few values has ties
def test_scores_are_those_of_scikit_learn_window_by_window(seed: int, steps: int) -> None:
    truth = make_truth(seed)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(2, *truth.tokens.shape, generator=generator)
    true = torch.stack([everywhere(truth, place).nan_to_num(0) for place in range(2)])
    predictions = ((0.5 * noise + 0.5 * true.clamp_max(1)) * steps).round() / steps
    found = SimulatedDetection().score(block_of(truth, predictions))
    assert list(found) == [column.name for column in SimulatedDetection().columns()]
    for drawn, sets in SETS.items():
        for place in range(2):
            items = ItemDraw(truth, sets, WINDOW).of(place, 0.5, f"3.{place}", ITEMS)
            labels, scores = [], []
            for row, start, stop in zip(items.rows, items.starts, items.stops, strict=True):
                labels.append(max(true[place, row, at].item() for at in range(start, stop)) >= 0.5)
                scores.append(max(predictions[place, row, at].item() for at in range(start, stop)))
            expected = {
                "auc": roc_auc_score(labels, scores),
                "balanced_accuracy": balanced_accuracy_score(labels, [s >= 0.5 for s in scores]),
                "activating": sum(labels),
                "non_activating": len(labels) - sum(labels),
            }
            for name in DETECTION_METRICS:
                value = found[detection_column(name, drawn)][place]
                assert value == pytest.approx(expected[name], abs=1e-12), name


def test_the_truth_detects_all_and_a_constant_nothing() -> None:
    truth = make_truth(1)
    true = torch.stack([everywhere(truth, place).nan_to_num(0) for place in range(2)])
    perfect = SimulatedDetection().score(block_of(truth, true))
    for name in ("auc", "balanced_accuracy", "small_auc", "small_balanced_accuracy"):
        assert perfect[f"detection/{name}"] == [1.0, 1.0]
        for constant in (0.0, 0.7):
            same = torch.full_like(true, constant)
            assert SimulatedDetection().score(block_of(truth, same))[f"detection/{name}"] == [
                0.5,
                0.5,
            ]


def test_a_neuron_without_both_kinds_of_windows_has_no_score() -> None:
    truth = make_truth(2)
    never = torch.finfo(torch.float32).max
    for threshold in (-1.0, never):
        found = SimulatedDetection().score(block_of(truth, torch.zeros(2, 60, 24), threshold))
        assert found["detection/auc"] == found["detection/balanced_accuracy"] == [None, None]
        kinds = found["detection/activating"], found["detection/non_activating"]
        assert (0 in kinds[0]) == (threshold == never)
        assert (0 in kinds[1]) == (threshold != never)


def test_where_only_the_small_set_is_predicted_only_its_windows_are_scored() -> None:
    truth = make_truth(3)
    true = torch.stack([everywhere(truth, place).nan_to_num(0) for place in range(2)])
    whole = SimulatedDetection().score(block_of(truth, true))
    alone = SimulatedDetection().score(block_of(replace(truth, sets=("uniform_small",)), true))
    assert alone["detection/auc"] == [None, None]
    assert alone["detection/activating"] == [0, 0]
    assert {name: values for name, values in alone.items() if "/small_" in name} == {
        name: values for name, values in whole.items() if "/small_" in name
    }
