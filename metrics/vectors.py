"""Vectors of activations: their angle, their mean, whether they vary, and sums of single ones."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from metrics.sharing import shared
from metrics.validation import check_arrays


def at_least_two(rows: Tensor) -> Tensor:
    """Return the rows, contiguous; a single one twice.

    torch sums a single row in as many parts as there are threads, but several rows each from
    start to end: only so do the last digits not depend on the chunk and the machine.
    """
    return rows.expand(2, *rows.shape[1:]).contiguous() if len(rows) == 1 else rows.contiguous()


def cosine_of_angle(
    left: Float[Tensor, "n_neurons n_tokens"],
    right: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Return the cosine for each neuron, NaN where either vector is zero; float64 in and out."""
    left = _scaled(left)
    right = _scaled(right)
    # One root of the product, not two roots: equal vectors then give exactly 1.
    lengths = (left.square().sum(dim=1) * right.square().sum(dim=1)).sqrt()
    return ((left * right).sum(dim=1) / lengths).clamp(-1.0, 1.0)


def _scaled(values: Float[Tensor, "n_neurons n_tokens"]) -> Float[Tensor, "n_neurons n_tokens"]:
    """Return the values divided by their largest magnitude: no square over- or underflows."""
    return values / values.abs().amax(dim=1, keepdim=True)


@shared
def centred(values: Float[Tensor, "n_neurons n_tokens"]) -> Float[Tensor, "n_neurons n_tokens"]:
    """Return the values minus their mean, in float64."""
    values = values.double()
    values = values - values.mean(dim=1, keepdim=True)
    # The mean of large values is rounded; what it left behind is small, and its mean exact enough.
    return values - values.mean(dim=1, keepdim=True)


@shared
def is_constant(
    values: Float[Tensor, "n_neurons n_tokens"],
) -> Bool[Tensor, " n_neurons"]:
    """Return which neurons have values that are all equal.

    Compares the extremes rather than a variance: the variance of a constant 0.1 over many tokens
    is not zero in floating point.
    """
    lowest, highest = values.aminmax(dim=1)
    return lowest == highest


def undefined(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Bool[Tensor, " n_neurons"]:
    """Return which predictions are constant, so that the correlation is undefined and scored 0.

    Such neurons stay in every mean; their number is shown beside it. It says nothing of a
    constant truth, for which the correlation is null.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.
    """
    check_arrays(truth, prediction)
    return is_constant(prediction)
