"""Checks of arrays, with errors that name the array, what is wrong and what is expected."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.errors import MetricInputError


def check_arrays(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"] | None = None,
) -> None:
    """Check types, shapes and devices, in time that does not depend on the arrays' size.

    Raises:
        MetricInputError: if one is not a floating-point tensor, the shapes do not agree, there
            is no token, or the devices differ.
    """
    arrays = {"truth": truth, "prediction": prediction}
    if threshold is not None:
        arrays["threshold"] = threshold
    for name, array in arrays.items():
        _check_type(name, array)
    if truth.ndim != 2:
        raise MetricInputError(
            f"truth has shape {list(truth.shape)}; expected [n_neurons, n_tokens]."
        )
    if prediction.shape != truth.shape:
        raise MetricInputError(
            f"prediction has shape {list(prediction.shape)} but truth has {list(truth.shape)};"
            " both must be [n_neurons, n_tokens] over the same neurons and tokens."
        )
    if truth.shape[1] == 0:
        raise MetricInputError("truth has no token to score; it must hold at least one.")
    if threshold is not None and threshold.shape != truth.shape[:1]:
        raise MetricInputError(
            f"threshold has shape {list(threshold.shape)}; expected [{truth.shape[0]}],"
            " one firing threshold per neuron in raw units."
        )
    devices = {name: str(array.device) for name, array in arrays.items()}
    if len(set(devices.values())) > 1:
        placed = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise MetricInputError(f"arrays lie on different devices ({placed}); move them to one.")


def check_finite(name: str, array: Float[Tensor, "n_neurons *tokens"], first_row: int = 0) -> None:
    """Check that no value is NaN or infinite.

    Args:
        name: what the message calls the array.
        array: the values of some neurons, neurons first.
        first_row: the row of the first of them in the array that the caller knows.

    Raises:
        MetricInputError: naming the first neuron's row that holds such a value.
    """
    if array.numel() == 0:
        return
    # A NaN comes through both extremes, so two numbers a neuron tell all.
    lowest, highest = array.reshape(array.shape[0], -1).aminmax(dim=1)
    finite = torch.isfinite(lowest) & torch.isfinite(highest)
    if not bool(finite.all()):
        row = first_row + int((~finite).nonzero()[0])
        raise MetricInputError(
            f"{name} holds a NaN or infinite value at neuron row {row}; all values must be finite."
        )


def _check_type(name: str, array: Tensor) -> None:
    if not isinstance(array, Tensor):
        raise MetricInputError(f"{name} is a {type(array).__name__}; expected a torch.Tensor.")
    if not array.is_floating_point():
        raise MetricInputError(f"{name} has dtype {array.dtype}; expected floating point.")
