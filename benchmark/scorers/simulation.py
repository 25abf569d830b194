"""Scores of a block of simulated neurons on the scoring sets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

import metrics
from benchmark.evidence import SCORING_SETS, SHARED_SETS, UNIFORM, Truth

Scores = dict[str, Float[Tensor, " n"]]

# What is computed under the firing reference that a run has not chosen.
FIRING_METRICS = ("auprc", "f1", "precision", "recall", "iou")


def score_block(
    truth: Truth,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
    names: Sequence[str],
    *,
    suffix: str = "",
    sets: Sequence[str] = SCORING_SETS,
) -> Scores:
    """Every metric on every scoring set, as `<set>/<metric>`, and `<set>/undefined`.

    On a set without a token every metric is null (NaN) and nothing is undefined; so it is for a
    neuron of whose tokens there nothing is predicted.

    Args:
        truth: the block's true activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        threshold: the firing threshold of each neuron, raw units.
        names: names of metrics.
        suffix: added to the name of every set, to tell scores of another kind of prediction.
        sets: the scoring sets.
    """
    scores: Scores = {}
    n = len(prediction)
    neuron = torch.arange(n)[:, None]
    for scoring_set in sets:
        text = truth.scored(scoring_set)
        true = truth.activations(scoring_set)
        # Tokens that a simulator chose for each neuron are no longer shared.
        shared = scoring_set in SHARED_SETS and len(text) == 1
        predicted = (
            prediction[:, truth.uniform] if shared else prediction[neuron, truth.rows(scoring_set)]
        )
        if not text.any():
            scores |= {
                f"{scoring_set}{suffix}/{name}": torch.full((n,), torch.nan) for name in names
            }
            scores[f"{scoring_set}{suffix}/undefined"] = torch.zeros(n, dtype=torch.bool)
            continue
        empty: list[int] = []
        for members in _equal_lengths(text, n):
            size = len(members)
            if not shared and not text[members].any():
                empty += members.tolist()
                continue
            if shared:
                flat_true, flat_predicted = true[:, text[0]], predicted[:, text[0]]
            else:
                mask = text[members]
                flat_true = true[members][mask].reshape(size, -1)
                flat_predicted = predicted[members][mask].reshape(size, -1)
            found = dict(metrics.compute(names, flat_true, flat_predicted, threshold[members]))
            found["undefined"] = metrics.undefined(flat_true, flat_predicted)
            for name, values in found.items():
                column = scores.setdefault(
                    f"{scoring_set}{suffix}/{name}", torch.empty(n, dtype=values.dtype)
                )
                column[members] = values
        for name in (*names, "undefined") if empty else ():
            scores[f"{scoring_set}{suffix}/{name}"][empty] = (
                False if name == "undefined" else torch.nan
            )
    return scores


def score_firing(
    truth: Truth,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
    names: Sequence[str],
    reference: str,
) -> Scores:
    """Scores of firing under a further reference, on `uniform`: `uniform_<reference>/<metric>`.

    Args:
        truth: the block's true activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        threshold: the thresholds under that reference.
        names: the run's metrics; only those of `FIRING_METRICS` among them are computed.
        reference: its name.
    """
    chosen = [name for name in names if name in FIRING_METRICS]
    if not chosen:
        return {}
    scores = score_block(
        truth, prediction, threshold, chosen, suffix=f"_{reference}", sets=(UNIFORM,)
    )
    del scores[f"{UNIFORM}_{reference}/undefined"]
    return scores


def _equal_lengths(text: Bool[Tensor, "#n c ctx"], n: int) -> list[Tensor]:
    """Neurons grouped by their number of scored tokens, so that each group is a rectangle."""
    if len(text) == 1:
        return [torch.arange(n)]
    counts = text.flatten(1).sum(1)
    return [torch.nonzero(counts == count)[:, 0] for count in counts.unique()]
