"""Scores of a block of simulated neurons on the scoring sets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

import metrics
from benchmark.evidence import SCORING_SETS, UNIFORM, Truth

Scores = dict[str, Float[Tensor, " n"]]


def score_block(
    truth: Truth,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
    names: Sequence[str],
    *,
    suffix: str = "",
) -> Scores:
    """Every metric on every scoring set, as `<set>/<metric>`, and `<set>/undefined`.

    Args:
        truth: the block's true activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        threshold: the firing threshold of each neuron, raw units.
        names: names of metrics.
        suffix: added to the name of every set, to tell scores of another kind of prediction.
    """
    scores: Scores = {}
    n = len(prediction)
    neuron = torch.arange(n)[:, None]
    for scoring_set in SCORING_SETS:
        rows = truth.rows(scoring_set)
        text = truth.tokens[rows] != truth.bos
        true = truth.activations(scoring_set)
        shared = scoring_set == UNIFORM
        predicted = prediction[:, truth.uniform] if shared else prediction[neuron, rows]
        for members in _equal_lengths(text, shared):
            size = len(members)
            mask = text[0] if shared else text[members]
            if shared:
                flat_true, flat_predicted = true[:, mask], predicted[:, mask]
            else:
                flat_true = true[members][mask].reshape(size, -1)
                flat_predicted = predicted[members][mask].reshape(size, -1)
            found = dict(metrics.compute(names, flat_true, flat_predicted, threshold[members]))
            found["undefined"] = metrics.undefined(flat_true, flat_predicted)
            for name, values in found.items():
                column = scores.setdefault(
                    f"{scoring_set}{suffix}/{name}", torch.empty(n, dtype=values.dtype)
                )
                column[members] = values
    return scores


def _equal_lengths(text: Bool[Tensor, "n c ctx"], shared: bool) -> list[Tensor]:
    """Neurons grouped by their number of scored tokens, so that each group is a rectangle."""
    if shared:
        return [torch.arange(len(text))]
    counts = text.flatten(1).sum(1)
    return [torch.nonzero(counts == count)[:, 0] for count in counts.unique()]
