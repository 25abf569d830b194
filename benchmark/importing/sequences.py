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


def scores_of(entries: Iterable[Entry], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return for each entry the columns of every metric on its sequences, all pooled.

    Tokens without a recorded truth or prediction are left out; without any other, and for an
    explanation without text, a score does not exist. An entry without sequences has no columns.
    Entries with as many tokens are scored together.

    Args:
        entries: the entries.
        names: the metrics.
    """
    chosen = list(names)
    rows: list[dict[str, Any]] = []
    alike: dict[tuple[str, int], list[tuple[int, Tensor]]] = {}
    for place, entry in enumerate(entries):
        rows.append(_no_scores(entry.scoring_set, chosen) if entry.sequences else {})
        both = torch.stack(pooled(entry.sequences))
        both = both[:, ~both.isnan().any(0)]
        if both.numel() and entry.text.strip():
            alike.setdefault((entry.scoring_set, both.shape[1]), []).append((place, both))
    for (group, _), members in alike.items():
        truth, predicted = torch.stack([both for _, both in members]).unbind(1)
        threshold = firing_threshold(truth)
        found = dict(metrics.compute(chosen, truth, predicted, threshold))
        found[UNDEFINED] = metrics.undefined(truth, predicted)
        found[POSITIVES] = (truth >= threshold[:, None]).sum(1)
        for name, values in found.items():
            column = score_column(group, name)
            for (place, _), value in zip(members, values.tolist(), strict=True):
                rows[place][column] = None if value != value else value  # NaN is no score
    return rows


def _no_scores(group: str, names: Iterable[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {score_column(group, name): None for name in names}
    return {**columns, score_column(group, UNDEFINED): False, score_column(group, POSITIVES): 0}


def firing_threshold(truth: Tensor) -> Tensor:
    """Return from which activation on each unit fires, `[n]`; never one that stays below 0."""
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


def recorded_sequences(saved: SavedExplanation) -> list[Sequence]:
    """Return the sequences of a saved explanation; none where nothing was recorded.

    Raises:
        ValueError: they are damaged.
    """
    shown = (saved.explanation or {}).get("shown") or {}
    try:
        found = [
            Sequence(
                tuple(map(str, one["tokens"])),
                tuple(map(_number, one["truth"])),
                tuple(map(_number, one["predicted"])),
                str(one.get("kind", "")),
            )
            for one in shown.get(SEQUENCES, ())
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the recorded sequences of neuron {saved.name} are damaged") from error
    if any(not len(one.tokens) == len(one.truth) == len(one.predicted) for one in found):
        raise ValueError(f"the recorded sequences of neuron {saved.name} have unequal lengths")
    return found


def recorded_truth(saved: SavedExplanation) -> Tensor | None:
    """Return the true activations of a saved explanation's sequences, `[1, tokens]`.

    None where nothing was recorded.

    Raises:
        ValueError: the sequences are damaged.
    """
    truth, _ = pooled(recorded_sequences(saved))
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


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
