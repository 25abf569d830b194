"""Calibration: maps from a neuron's predictions to the scale of its activations.

A map is fitted for each neuron on text that nothing is scored on, and applied to its predictions
on other text. It corrects scale and offset (`linear`) or any rising distortion (`isotonic`), and
never turns a prediction around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from metrics.errors import MetricInputError
from metrics.validation import check_arrays, check_finite
from metrics.vectors import at_least_two, centred, is_constant

LINEAR, ISOTONIC = "linear", "isotonic"
METHODS = (LINEAR, ISOTONIC)
# Numbers that are held in double precision at once.
NUMBERS_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class Curve:
    """A rising curve: values `y` at the predictions `x`, which ascend; flat outside of them."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """One map per neuron.

    Attributes:
        slope: of a linear map, 0 where it was clipped; NaN for other maps, `[n_neurons]` float64.
        intercept: in raw units; NaN for other maps, `[n_neurons]` float64.
        clipped: whether predictions that rise go with activations that fall, so that the map is
            the mean of the truth it was fitted on, `[n_neurons]`.
        curves: one per neuron where the maps are not linear.
    """

    slope: Float[Tensor, " n_neurons"]
    intercept: Float[Tensor, " n_neurons"]
    clipped: Bool[Tensor, " n_neurons"]
    curves: Sequence[Curve] | None = None

    def apply_(
        self, prediction: Float[Tensor, "n_neurons *shape"], keep: Bool[Tensor, " n"]
    ) -> None:
        """Map predictions in place, so that no second copy of them is needed.

        Args:
            prediction: raw units.
            keep: neurons whose predictions stay as they are.
        """
        if self.curves is not None:
            for row in torch.nonzero(~keep)[:, 0].tolist():
                curve = self.curves[row]
                values = prediction[row].cpu().numpy()
                prediction[row] = torch.from_numpy(np.interp(values, curve.x, curve.y))
            return
        shape = (-1, *[1] * (prediction.ndim - 1))
        slope = self.slope.masked_fill(keep, 1).to(prediction).reshape(shape)
        intercept = self.intercept.masked_fill(keep, 0).to(prediction).reshape(shape)
        prediction.mul_(slope).add_(intercept)


def fit_calibration(
    method: str,
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Calibration:
    """Fit a map from prediction to truth for every neuron.

    `linear` is least squares with a slope of at least 0: where the best slope is negative, it is
    clipped to 0 and the intercept is the mean of the truth. A constant prediction gets the same
    map, and is not counted as clipped. `isotonic` is the rising curve with the least squares.

    Args:
        method: `linear` or `isotonic`.
        truth: true activations in raw units.
        prediction: simulated activations in raw units on the same tokens.

    Raises:
        MetricInputError: if the method is not known, shapes, types or devices do not fit, or a
            value is not finite.

    Source: for `isotonic` Barlow et al. 1972, by scikit-learn's `IsotonicRegression`.
    """
    if method not in METHODS:
        raise MetricInputError(f"method is {method!r}; it can be {' or '.join(METHODS)}.")
    check_arrays(truth, prediction)
    check_finite("truth", truth)
    check_finite("prediction", prediction)
    linear = _linear(truth, prediction)
    if method == LINEAR:
        return linear
    curves = [_isotonic(*pair) for pair in zip(truth, prediction, strict=True)]
    nothing = torch.full_like(linear.slope, torch.nan)
    flat = torch.tensor([curve.y[0] == curve.y[-1] for curve in curves], dtype=torch.bool)
    return Calibration(nothing, nothing.clone(), flat & linear.clipped, curves)


def _linear(truth: Tensor, prediction: Tensor) -> Calibration:
    """Fit in closed form, some neurons at a time."""
    parts = []
    size = max(1, NUMBERS_AT_ONCE // truth.shape[1])
    for y, x in zip(truth.split(size), prediction.split(size), strict=True):
        n = len(x)
        x, y = at_least_two(x), at_least_two(y)
        about, values = centred(x), y.double()
        slope = (about * values).sum(1) / about.square().sum(1)
        slope = slope.masked_fill(is_constant(x), 0)
        clipped = slope < 0
        slope = slope.masked_fill(clipped, 0)
        intercept = values.mean(1) - slope * x.double().mean(1)
        parts.append(torch.stack([slope, intercept, clipped.double()])[:, :n].cpu())
    if not parts:
        parts = [torch.zeros(3, 0, dtype=torch.float64)]
    slope, intercept, flags = torch.cat(parts, 1)
    return Calibration(slope, intercept, flags.bool())


def _isotonic(truth: Tensor, prediction: Tensor) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    x, y = (values.detach().cpu().double().numpy() for values in (prediction, truth))
    fitted = IsotonicRegression(increasing=True, out_of_bounds="clip").fit(x, y)
    return Curve(np.asarray(fitted.X_thresholds_), np.asarray(fitted.y_thresholds_))
