"""Spearman rank correlation."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.pearson import pearson
from metrics.ranks import average_ranks
from metrics.validation import check_arrays


def spearman(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the Spearman correlation: the Pearson correlation of ranks, ties sharing their mean.

    In [-1, 1]; higher is better. A constant prediction scores 0 (and is counted by
    `metrics.undefined`); where the truth is constant the score is null (NaN), whatever the
    prediction. It fails the sanity tests: on a neuron that fires rarely nearly all ranks are those
    of tokens on which nothing happens.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `scipy.stats.spearmanr`, which it equals; one of the metrics of Oikarinen et al. 2025,
    "Evaluating Neuron Explanations: A Unified Framework with Sanity Checks" (arXiv 2506.05774).
    """
    check_arrays(truth, prediction)
    return pearson(average_ranks(truth), average_ranks(prediction))
