"""Mean activation difference."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.firing import is_firing
from metrics.validation import check_arrays


def mad(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Return the mean true activation where the prediction fires minus elsewhere, in raw units.

    mean(y | p >= threshold) - mean(y | p < threshold), unbounded; higher is better. It is 0 where
    the prediction never fires or always does (there is no second group to differ from), and never
    null. Neurons differ in scale, so a mean of it over neurons is a mean over the largest ones.
    Only precision enters it: it fails the sanity tests.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: one of the metrics of Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified
    Framework with Sanity Checks" (arXiv 2506.05774), its MAD. There the mean of an empty group
    counts as 0.
    """
    check_arrays(truth, prediction, threshold)
    predicted = is_firing(prediction, threshold)
    n_predicted = predicted.sum(dim=1).double()
    n_quiet = predicted.shape[1] - n_predicted
    activations = truth.double()
    among = activations.masked_fill(~predicted, 0.0).sum(dim=1) / n_predicted
    elsewhere = activations.masked_fill(predicted, 0.0).sum(dim=1) / n_quiet
    return (among - elsewhere).masked_fill(n_predicted * n_quiet == 0, 0.0)
