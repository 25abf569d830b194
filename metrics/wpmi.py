"""Weighted pointwise mutual information."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.firing import is_firing
from metrics.validation import check_arrays

WEIGHT = 1.0
# The smallest probability that is told from none.
FLOOR = 1e-8


def wpmi(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Return the weighted pointwise mutual information of firing and the explanation, in nats.

    mean over firing tokens of log q - weight log(mean over all tokens of q), with weight 1, at
    least log 1e-8 = -18.42 and without upper bound; higher is better. q is the probability that the
    explanation gives to firing: p / (2 threshold), cut to [0, 1], so that one half is what firing
    begins at (with the usual threshold that is the activation as a share of the maximum); where the
    threshold is not positive q is 1 for p >= threshold and else 0. Both logarithms take at least
    1e-8. A prediction without probability anywhere scores 0; it is null (NaN) where the truth never
    fires.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: one of the metrics of Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified
    Framework with Sanity Checks" (arXiv 2506.05774), its WPMI with lambda = 1, from CLIP-Dissect
    (Oikarinen and Weng 2023). There the firing tokens are the neuron's top-alpha, and lambda is
    fitted to each subject; with lambda = 0 only the firing tokens count.
    """
    check_arrays(truth, prediction, threshold)
    limit = threshold.double()[:, None]
    share = (prediction.double() / (2 * limit)).clamp(0.0, 1.0)
    share = torch.where(limit > 0, share, is_firing(prediction, threshold).double())
    firing = is_firing(truth, threshold)
    fired = firing.sum(dim=1).double()
    likelihood = share.clamp(min=FLOOR).log().masked_fill(~firing, 0.0).sum(dim=1) / fired
    prior = share.mean(dim=1).clamp(min=FLOOR).log()
    return (likelihood - WEIGHT * prior).masked_fill(fired == 0, torch.nan)
