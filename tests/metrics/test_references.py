"""Every metric against SciPy, scikit-learn or a computation by hand, neuron by neuron.

The references state the null policy too: NaN where the truth leaves the metric undefined.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.spatial.distance
import scipy.stats
import sklearn.metrics
import torch
from numpy.typing import NDArray
from torch import Tensor

import metrics
from metrics import METRICS

from .conftest import Inputs

Array = NDArray[np.float64]
Reference = Callable[[Array, Array, float], float]


def reference_pearson(truth: Array, prediction: Array, threshold: float) -> float:
    if len(set(truth)) == 1:
        return np.nan
    if len(set(prediction)) == 1:
        return 0.0
    return float(scipy.stats.pearsonr(truth, prediction).statistic)


def reference_cosine(truth: Array, prediction: Array, threshold: float) -> float:
    if not truth.any():
        return np.nan
    if not prediction.any():
        return 0.0
    return 1 - float(scipy.spatial.distance.cosine(truth, prediction))


def reference_auprc(truth: Array, prediction: Array, threshold: float) -> float:
    labels = truth >= threshold
    if not labels.any():
        return np.nan
    return float(sklearn.metrics.average_precision_score(labels, prediction))


def of_labels(score: Callable[..., float]) -> Reference:
    def reference(truth: Array, prediction: Array, threshold: float) -> float:
        labels = truth >= threshold
        if not labels.any():
            return np.nan
        return float(score(labels, prediction >= threshold, zero_division=0.0))

    return reference


def reference_spearman(truth: Array, prediction: Array, threshold: float) -> float:
    if len(set(truth)) == 1:
        return np.nan
    if len(set(prediction)) == 1:
        return 0.0
    return float(scipy.stats.spearmanr(truth, prediction).statistic)


def reference_r2(truth: Array, prediction: Array, threshold: float) -> float:
    if len(set(truth)) == 1:
        return np.nan
    return float(sklearn.metrics.r2_score(truth, prediction))


def reference_openai_rsquared(truth: Array, prediction: Array, threshold: float) -> float:
    if not truth.any():
        return np.nan
    return float(1 - np.mean((truth - prediction) ** 2) / np.mean(truth**2))


def reference_openai_absolute(truth: Array, prediction: Array, threshold: float) -> float:
    if not truth.any():
        return np.nan
    return float(1 - np.mean(np.abs(truth - prediction)) / np.mean(np.abs(truth)))


def reference_mse(truth: Array, prediction: Array, threshold: float) -> float:
    return float(sklearn.metrics.mean_squared_error(truth, prediction))


def reference_normalised_mae(truth: Array, prediction: Array, threshold: float) -> float:
    if truth.max() <= 0:
        return np.nan
    return float(sklearn.metrics.mean_absolute_error(truth, prediction) / truth.max())


def of_both_classes(score: Callable[..., float], *, binary: bool = True) -> Reference:
    def reference(truth: Array, prediction: Array, threshold: float) -> float:
        labels = truth >= threshold
        if labels.all() or not labels.any():
            return np.nan
        return float(score(labels, prediction >= threshold if binary else prediction))

    return reference


def of_quiet_labels(score: Callable[..., float]) -> Reference:
    def reference(truth: Array, prediction: Array, threshold: float) -> float:
        labels = truth >= threshold
        if labels.all():
            return np.nan
        return float(score(labels, prediction >= threshold, pos_label=False, zero_division=0.0))

    return reference


def reference_accuracy(truth: Array, prediction: Array, threshold: float) -> float:
    return float(sklearn.metrics.accuracy_score(truth >= threshold, prediction >= threshold))


def reference_wpmi(truth: Array, prediction: Array, threshold: float) -> float:
    fires = truth >= threshold
    if not fires.any():
        return np.nan
    if threshold > 0:
        share = [min(1.0, max(0.0, value / (2 * threshold))) for value in prediction]
    else:
        share = [1.0 if value >= threshold else 0.0 for value in prediction]
    likelihood = [math.log(max(q, 1e-8)) for q, fired in zip(share, fires, strict=True) if fired]
    return sum(likelihood) / len(likelihood) - math.log(max(sum(share) / len(share), 1e-8))


def reference_mad(truth: Array, prediction: Array, threshold: float) -> float:
    predicted = prediction >= threshold
    if predicted.all() or not predicted.any():
        return 0.0
    return float(truth[predicted].mean() - truth[~predicted].mean())


def at_top_alpha(reference: Reference) -> Reference:
    """The reference with the ceil(0.5 %)-th largest activation as the threshold."""

    def of_strongest(truth: Array, prediction: Array, threshold: float) -> float:
        count = math.ceil(0.005 * len(truth))
        return reference(truth, prediction, sorted(truth, reverse=True)[count - 1])

    return of_strongest


REFERENCES: dict[str, Reference] = {
    "pearson": reference_pearson,
    "cosine": reference_cosine,
    "auprc": reference_auprc,
    "f1": of_labels(sklearn.metrics.f1_score),
    "precision": of_labels(sklearn.metrics.precision_score),
    "recall": of_labels(sklearn.metrics.recall_score),
    "iou": of_labels(sklearn.metrics.jaccard_score),
    "matthews": of_both_classes(sklearn.metrics.matthews_corrcoef),
    "r2": reference_r2,
    "openai_rsquared": reference_openai_rsquared,
    "openai_absolute_dev_explained": reference_openai_absolute,
    "mse": reference_mse,
    "normalised_mae": reference_normalised_mae,
    "spearman": reference_spearman,
    "auroc": of_both_classes(sklearn.metrics.roc_auc_score, binary=False),
    "accuracy": reference_accuracy,
    "balanced_accuracy": of_both_classes(sklearn.metrics.balanced_accuracy_score),
    "f1_non_firing": of_quiet_labels(sklearn.metrics.f1_score),
    "precision_non_firing": of_quiet_labels(sklearn.metrics.precision_score),
    "recall_non_firing": of_quiet_labels(sklearn.metrics.recall_score),
    "wpmi": reference_wpmi,
    "mad": reference_mad,
    "auprc_top_alpha": at_top_alpha(reference_auprc),
    "f1_top_alpha": at_top_alpha(of_labels(sklearn.metrics.f1_score)),
    "precision_top_alpha": at_top_alpha(of_labels(sklearn.metrics.precision_score)),
    "recall_top_alpha": at_top_alpha(of_labels(sklearn.metrics.recall_score)),
    "iou_top_alpha": at_top_alpha(of_labels(sklearn.metrics.jaccard_score)),
}

NULL_CASES = {"never fired", "constant truth", "zero truth", "one token"}
NULL_CASES_OF_SOME = {"all positive", "negative"}


def test_every_metric_has_a_reference() -> None:
    assert set(REFERENCES) == set(METRICS)


def scored(inputs: Inputs, prediction: Tensor | None = None) -> dict[str, Tensor]:
    prediction = inputs.prediction if prediction is None else prediction
    return metrics.compute(list(METRICS), inputs.truth, prediction, inputs.threshold)


def test_agrees_with_the_reference(inputs: Inputs) -> None:
    rows = list(
        zip(
            inputs.truth.double().numpy(),
            inputs.prediction.double().numpy(),
            inputs.threshold.double().numpy(),
            strict=True,
        )
    )
    for name, scores in scored(inputs).items():
        expected = [REFERENCES[name](*row) for row in rows]
        np.testing.assert_allclose(
            scores.numpy(), expected, rtol=1e-12, atol=1e-9, err_msg=f"metric {name}"
        )


def test_stays_within_its_bounds(inputs: Inputs) -> None:
    for name, scores in scored(inputs).items():
        metric = METRICS[name]
        known = scores[~scores.isnan()]
        if metric.lower is not None:
            assert bool((known >= metric.lower).all()), name
        if metric.upper is not None:
            assert bool((known <= metric.upper).all()), name


def test_only_the_truth_makes_a_score_null(case: str, inputs: Inputs) -> None:
    again = scored(inputs, torch.randn_like(inputs.prediction))
    for name, scores in scored(inputs).items():
        if case not in NULL_CASES | NULL_CASES_OF_SOME:
            assert not bool(scores.isnan().any()), name
        assert torch.equal(scores.isnan(), again[name].isnan()), name
