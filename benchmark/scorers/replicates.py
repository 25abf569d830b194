"""Scores on resamples of the held-out documents: what intervals over documents rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

import metrics
from benchmark.interface import HeldOut
from benchmark.results.columns import DRAWN_SETS, UNIFORM, score_column
from benchmark.results.resampled import joined_entries, resampled_entry

# The metrics that tables compare explainers by. Others would make every record larger.
REPLICATED = ("pearson", "auprc", "f1")


def replicate_entries(
    truth: HeldOut,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
    names: Sequence[str],
    resamples: int,
) -> list[dict[str, Any]]:
    """Score a block on resamples of the documents of uniform text, as saved with its rows.

    The documents of `uniform` and of `uniform_small` are resampled each for itself. The resamples
    depend on these contexts alone, so that all explainers are scored on the same.

    Args:
        truth: the block's true activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        threshold: the firing threshold of each neuron, raw units.
        names: the run's metrics; those of `REPLICATED` among them are taken.
        resamples: how often the documents are drawn; 0 for never.

    Returns:
        One entry per neuron; none where nothing can be resampled: without such a metric or draw,
        with a single document, or where a simulator predicts other tokens of each neuron.
    """
    chosen = [name for name in REPLICATED if name in names]
    if not chosen or resamples < 1:
        return []
    found = [
        drawn
        for one in DRAWN_SETS
        if (drawn := _deviations(truth, prediction, threshold, chosen, resamples, one))
    ]
    return [
        joined_entries(
            [
                resampled_entry({name: rows[row] for name, rows in values.items()}, n, draw)
                for values, n, draw in found
            ]
        )
        for row in range(len(prediction) if found else 0)
    ]


def _deviations(
    truth: HeldOut,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
    chosen: Sequence[str],
    resamples: int,
    scoring_set: str,
) -> tuple[dict[str, NDArray[Any]], int, str] | None:
    """Return by column how far each resample of a set's documents lies from all, `[n, resamples]`.

    With it how many documents there are, and an identifier of the resamples.
    """
    scored = truth.scored(scoring_set)
    if len(scored) > 1:  # each neuron has tokens of its own
        return None
    rows, text = truth.rows(scoring_set)[0], scored[0]
    tokens, every = truth.tokens[rows], truth.documents_of(scoring_set)
    documents = every[text]
    n_documents = len(documents.unique())
    if n_documents < 2:
        return None
    draw = hashlib.sha256(f"{list(tokens.shape)}".encode())
    for part in (tokens, every):
        draw.update(part.to(torch.int64).numpy().tobytes())
    if truth.predicted is not None or scoring_set != UNIFORM:
        draw.update(text.numpy().tobytes())
    seed = int.from_bytes(draw.digest()[:7], "big")
    weights = metrics.draw_weights(n_documents, resamples, seed)
    # Also by what came out: another version of torch may draw otherwise from the same seed.
    draw.update(weights.to(torch.int64).numpy().tobytes())
    units = metrics.Units.of_documents(
        truth.activations(scoring_set)[:, text],
        prediction[:, rows][:, text],
        threshold,
        documents,
    )
    # The first row of weights is the text as it is: what a resample is held against.
    whole = torch.ones(1, n_documents, dtype=weights.dtype)
    scores = metrics.resampled_scores(chosen, units, torch.cat([whole, weights]))
    deviations = {
        score_column(scoring_set, name): (values[:, 1:] - values[:, :1]).numpy()
        for name, values in scores.items()
    }
    return deviations, n_documents, draw.hexdigest()[:16]
