"""Calibration against NumPy and scikit-learn, neuron by neuron, and what it must never do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

import metrics
import metrics.calibration
from metrics import MetricInputError, fit_calibration


def random_arrays(seed: int, n: int = 4, n_tokens: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Truths that rise and that fall with their prediction, one of few values."""
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(n, n_tokens, generator=generator) * 3 + 1
    prediction[0] = prediction[0].round()
    slope = torch.randn(n, 1, generator=generator)
    return slope * prediction + torch.randn(n, n_tokens, generator=generator), prediction


def applied(calibration: metrics.Calibration, prediction: torch.Tensor) -> torch.Tensor:
    result = prediction.clone()
    calibration.apply_(result, torch.zeros(len(result), dtype=torch.bool))
    return result


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_linear_is_least_squares_with_a_slope_that_is_not_negative(seed: int) -> None:
    truth, prediction = random_arrays(seed)
    found = fit_calibration("linear", truth, prediction)
    for row in range(len(truth)):
        y, x = truth[row].double().numpy(), prediction[row].double().numpy()
        slope, intercept = np.polyfit(x, y, 1)
        assert bool(found.clipped[row]) == (slope < 0)
        if slope < 0:
            slope, intercept = 0.0, y.mean()
        assert float(found.slope[row]) == pytest.approx(slope, abs=1e-9)
        assert float(found.intercept[row]) == pytest.approx(intercept, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_isotonic_is_scikit_learns(seed: int) -> None:
    truth, prediction = random_arrays(seed)
    elsewhere = random_arrays(seed + 1)[1] * 2
    found = applied(fit_calibration("isotonic", truth, prediction), elsewhere)
    for row in range(len(truth)):
        fitted = IsotonicRegression(out_of_bounds="clip")
        fitted.fit(prediction[row].double().numpy(), truth[row].double().numpy())
        expected = fitted.predict(elsewhere[row].double().numpy())
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=1e-5, atol=1e-6)
        order = elsewhere[row].argsort()
        assert (found[row][order].diff() >= 0).all()


def test_a_planted_scaling_is_recovered() -> None:
    _, prediction = random_arrays(3)
    scale = torch.tensor([[0.25], [2.0], [30.0], [1.0]])
    offset = torch.tensor([[1.0], [-3.0], [0.0], [0.5]])
    truth = scale * prediction + offset
    found = fit_calibration("linear", truth, prediction)
    torch.testing.assert_close(found.slope, scale[:, 0].double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.intercept, offset[:, 0].double(), rtol=1e-5, atol=1e-5)
    assert not found.clipped.any()
    elsewhere = random_arrays(4)[1]
    torch.testing.assert_close(applied(found, elsewhere), scale * elsewhere + offset)


@pytest.mark.parametrize("method", ["linear", "isotonic"])
def test_predictions_of_the_wrong_sign_are_told_and_become_the_mean(method: str) -> None:
    _, prediction = random_arrays(5)
    truth = -2 * prediction
    found = fit_calibration(method, truth, prediction)
    assert found.clipped.all()
    elsewhere = applied(found, random_arrays(6)[1])
    torch.testing.assert_close(elsewhere, truth.mean(1, keepdim=True).expand_as(elsewhere))
    if method == "linear":
        assert found.slope.eq(0).all()
    else:
        assert found.slope.isnan().all()
        assert found.intercept.isnan().all()


@pytest.mark.parametrize("method", ["linear", "isotonic"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
def test_a_constant_prediction_becomes_the_mean_and_is_not_called_clipped(
    method: str, value: float
) -> None:
    truth, _ = random_arrays(7)
    prediction = torch.full_like(truth, value)
    found = fit_calibration(method, truth, prediction)
    assert not found.clipped.any()
    torch.testing.assert_close(
        applied(found, prediction), truth.mean(1, keepdim=True).expand_as(truth)
    )


@pytest.mark.parametrize("method", ["linear", "isotonic"])
def test_neither_the_company_nor_the_chunk_changes_a_digit(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, prediction = random_arrays(8, n=7, n_tokens=5000)
    together = applied(fit_calibration(method, truth, prediction), prediction)
    monkeypatch.setattr(metrics.calibration, "NUMBERS_AT_ONCE", 12_000)
    assert torch.equal(applied(fit_calibration(method, truth, prediction), prediction), together)
    for row in range(7):
        one = slice(row, row + 1)
        alone = fit_calibration(method, truth[one], prediction[one])
        assert torch.equal(applied(alone, prediction[one]), together[one])


@pytest.mark.parametrize("method", ["linear", "isotonic"])
def test_neurons_that_are_kept_stay_as_they_are(method: str) -> None:
    truth, prediction = random_arrays(9)
    result = prediction.clone()
    keep = torch.tensor([False, True, False, True])
    fit_calibration(method, truth, prediction).apply_(result, keep)
    assert torch.equal(result[keep], prediction[keep])
    assert not torch.equal(result[~keep], prediction[~keep])


def test_the_error_never_grows_on_the_text_it_was_fitted_on() -> None:
    truth, prediction = random_arrays(10, n=20)
    before = metrics.compute(["r2"], truth, prediction)["r2"]
    linear = applied(fit_calibration("linear", truth, prediction), prediction)
    isotonic = applied(fit_calibration("isotonic", truth, prediction), prediction)
    after = metrics.compute(["r2"], truth, linear)["r2"]
    best = metrics.compute(["r2"], truth, isotonic)["r2"]
    assert (after >= before - 1e-6).all()
    assert (after >= -1e-6).all()
    assert (best >= after - 1e-6).all()


def test_no_neurons() -> None:
    nothing = torch.zeros(0, 5)
    for method in ("linear", "isotonic"):
        assert len(fit_calibration(method, nothing, nothing).slope) == 0


@pytest.mark.parametrize(
    ("method", "truth", "prediction", "message"),
    [
        ("cubic", torch.ones(2, 3), torch.ones(2, 3), "method is 'cubic'; it can be linear or iso"),
        ("linear", torch.ones(2, 3), torch.ones(2, 4), "prediction has shape"),
        ("linear", torch.ones(2, 0), torch.ones(2, 0), "no token"),
        ("linear", torch.tensor([[1.0, torch.nan]]), torch.ones(1, 2), "truth"),
        ("isotonic", torch.ones(1, 2), torch.tensor([[1.0, torch.inf]]), "prediction"),
    ],
)
def test_what_cannot_be_fitted(method, truth, prediction, message) -> None:
    with pytest.raises(MetricInputError, match=message):
        fit_calibration(method, truth, prediction)
