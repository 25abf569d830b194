"""Predictions that do not vary, on which correlation has no meaning of its own."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from metrics.sharing import shared
from metrics.validation import check_arrays


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
