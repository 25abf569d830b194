"""Recorded sequences: scored without running any model, saved with explanations, and read back."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

import metrics
from benchmark.importing.entries import Entry, Sequence
from benchmark.results import SavedExplanation
from benchmark.results.columns import POSITIVES, UNDEFINED, score_column

FIRING_PART = 0.5
"""The part of the largest recorded activation from which on a unit counts as firing."""
SEQUENCES = "sequences"


def scores_of(entry: Entry, names: Iterable[str]) -> dict[str, float | bool | int | None]:
    """Return the columns of every metric on the recorded sequences, all pooled.

    Tokens without a recorded truth or prediction are left out; without any other, and for an
    explanation without text, a score does not exist.

    Args:
        entry: with sequences.
        names: the metrics.
    """
    truth, predicted = pooled(entry.sequences)
    known = ~(truth.isnan() | predicted.isnan())
    truth, predicted = truth[known][None], predicted[known][None]
    group = entry.scoring_set
    chosen = list(names)
    if not truth.numel() or not entry.text.strip():
        empty: dict[str, Any] = {score_column(group, name): None for name in chosen}
        return {**empty, score_column(group, UNDEFINED): False, score_column(group, POSITIVES): 0}
    threshold = firing_threshold(truth)
    found = metrics.compute(chosen, truth, predicted, threshold)
    columns: dict[str, Any] = {
        score_column(group, name): None if values.isnan().any() else float(values)
        for name, values in found.items()
    }
    columns[score_column(group, UNDEFINED)] = bool(metrics.undefined(truth, predicted))
    columns[score_column(group, POSITIVES)] = int((truth >= threshold[:, None]).sum())
    return columns


def firing_threshold(truth: Tensor) -> Tensor:
    """Return from which activation on a unit fires, `[1]`: never one that does not rise above 0."""
    largest = truth.amax(1)
    never = torch.full_like(largest, torch.finfo(torch.float32).max)
    return torch.where(largest > 0, FIRING_PART * largest, never)


def pooled(sequences: Iterable[Sequence]) -> tuple[Tensor, Tensor]:
    """Return truth and predictions of all sequences, one after the other, float64."""
    listed = list(sequences)
    return (
        torch.tensor([value for one in listed for value in one.truth], dtype=torch.float64),
        torch.tensor([value for one in listed for value in one.predicted], dtype=torch.float64),
    )


def saved_sequences(entry: Entry) -> list[dict[str, Any]]:
    """Return the sequences as JSON values, numbers in the digits of float32."""
    return [
        {
            **({"kind": one.kind} if one.kind else {}),
            "tokens": list(one.tokens),
            "truth": [_shortest(value) for value in one.truth],
            "predicted": [_shortest(value) for value in one.predicted],
        }
        for one in entry.sequences
    ]


def recorded_truth(saved: SavedExplanation) -> Tensor | None:
    """Return the true activations of a saved explanation's sequences, `[1, tokens]`.

    None where nothing was recorded. Raises ValueError where it is damaged.
    """
    shown = (saved.explanation or {}).get("shown") or {}
    try:
        values = [
            math.nan if value is None else float(value)
            for one in shown.get(SEQUENCES, ())
            for value in one["truth"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the recorded sequences of neuron {saved.name} are damaged") from error
    truth = torch.tensor(values, dtype=torch.float64)
    truth = truth[truth.isfinite()]
    return truth[None] if len(truth) else None


def text_fingerprint(explanations: Iterator[SavedExplanation]) -> str:
    """Return what tells apart recorded texts with their true activations, in hexadecimal digits."""
    digest = hashlib.sha256()
    for saved in explanations:
        shown: Mapping[str, Any] = (saved.explanation or {}).get("shown") or {}
        parts = [[one["tokens"], one["truth"]] for one in shown.get(SEQUENCES, ())]
        digest.update(json.dumps([saved.layer, saved.neuron, parts]).encode())
    return digest.hexdigest()


def _shortest(value: float) -> float | None:
    """Return a number as the shortest decimal of its float32; None for NaN."""
    return None if math.isnan(value) else float(str(np.float32(value)))
