"""Interval of a neuron's Pearson correlation over documents."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from metrics.aggregate import check_resampling
from metrics.errors import MetricInputError
from metrics.validation import check_arrays

# A spread that is so small a part of the squares it is the difference of is rounding.
ROUNDING = 1e-12


@torch.no_grad()
def pearson_over_documents(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    documents: Int[Tensor, " n_tokens"],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Float[Tensor, " n_neurons"], Float[Tensor, " n_neurons"]]:
    """Return the bootstrap percentile interval of each neuron's correlation over documents.

    Whole documents are drawn with replacement, with all their tokens, because tokens of one
    document are not independent; the correlation of what was drawn is that over its tokens. All
    neurons meet the same draws. As everywhere, a constant prediction has a correlation of 0; draws
    in which the truth is constant have none and are left out.

    Args:
        truth: true activations.
        prediction: simulated activations on the same tokens.
        documents: the document that each token belongs to.
        resamples: number of draws.
        level: probability that the interval covers.
        seed: seed of the draws.

    Returns:
        Low and high end, float64 `[n_neurons]`; NaN where the truth is constant, and everywhere
        where there are fewer than two documents.

    Raises:
        MetricInputError: if shapes do not fit, or `resamples` or `level` is out of range.
    """
    check_arrays(truth, prediction)
    check_resampling(resamples, level)
    if documents.shape != truth.shape[1:]:
        raise MetricInputError(
            f"documents have shape {list(documents.shape)}; expected [{truth.shape[1]}], one per "
            "token."
        )
    n = len(truth)
    ends = np.full((2, n), np.nan)
    order, starts, sizes = _by_document(documents)
    if len(sizes) < 2:
        return torch.from_numpy(ends[0]), torch.from_numpy(ends[1])
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(
        len(sizes), np.full(len(sizes), 1 / len(sizes)), size=resamples
    ).astype(np.float64)
    tokens = weights @ sizes
    tail = (1 - level) / 2
    for row in range(n):
        sums = _document_sums(truth[row], prediction[row], order, starts)
        values = _correlations(weights @ sums, tokens)
        known = values[~np.isnan(values)]
        if len(known):
            ends[:, row] = np.quantile(known, [tail, 1 - tail])
    return torch.from_numpy(ends[0]), torch.from_numpy(ends[1])


def _by_document(
    documents: Int[Tensor, " n_tokens"],
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], NDArray[np.float64]]:
    """The order that sorts tokens by document (None: they are), where each begins, its tokens."""
    labels = documents.cpu().numpy()
    order = None if (np.diff(labels) >= 0).all() else np.argsort(labels, kind="stable")
    ordered = labels if order is None else labels[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
    sizes = np.diff(starts, append=len(ordered)).astype(np.float64)
    return order, starts, sizes


def _document_sums(
    truth: Tensor,
    prediction: Tensor,
    order: NDArray[np.int64] | None,
    starts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Per document the sums that a correlation is made of, `[n_documents, 5]`."""
    y, p = (values.cpu().double().numpy() for values in (truth, prediction))
    # Sums of squares of what is far from zero would lose the digits that the spread is in.
    y, p = y - y.mean(), p - p.mean()
    if order is not None:
        y, p = y[order], p[order]
    parts = (y, p, y * y, p * p, y * p)
    return np.stack([np.add.reduceat(part, starts) for part in parts], axis=1)


def _correlations(sums: NDArray[np.float64], tokens: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation of each draw; 0 for a constant prediction, NaN for a constant truth."""
    y, p, yy, pp, yp = sums.T
    spread_y, spread_p = yy - y * y / tokens, pp - p * p / tokens
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (yp - y * p / tokens) / np.sqrt(spread_y * spread_p)
    values = np.where(spread_p <= ROUNDING * pp, 0.0, values.clip(-1, 1))
    return np.where(spread_y <= ROUNDING * yy, np.nan, values)
