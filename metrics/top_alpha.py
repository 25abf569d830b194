"""Firing as the neuron's strongest tokens instead of a share of its largest activation."""

from __future__ import annotations

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from metrics.sharing import shared
from metrics.validation import check_arrays

ALPHA = 0.005
"""The share of the scored tokens that counts as firing."""


@shared
def top_alpha_threshold(
    truth: Float[Tensor, "n_neurons n_tokens"], alpha: float = ALPHA
) -> Float[Tensor, " n_neurons"]:
    """Return the smallest activation that belongs to the neuron's strongest, in raw units.

    It is the ceil(alpha n_tokens)-th largest activation; tokens tied with it belong too.

    Source: Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity
    Checks" (arXiv 2506.05774), which binarises so, for hidden layers with alpha = 0.005.
    """
    count = max(1, math.ceil(alpha * truth.shape[1]))
    return truth.topk(count, dim=1).values[:, -1]


def at_top_alpha(metric: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return the metric with the neuron's strongest 0.5 % of the scored tokens as firing.

    Ties with the weakest of them are included. A metric that binarises the prediction does it at
    the same cutoff, in raw units. It is never null: some token is always the strongest.

    Args:
        metric: takes truth and prediction `[n_neurons, n_tokens]` and a threshold `[n_neurons]`.

    Returns:
        A function `(truth, prediction)` that raises MetricInputError if shapes, types or devices
        do not fit.

    Source: Oikarinen et al. 2025 (arXiv 2506.05774), with its binarisation of the neuron.
    """

    def of_strongest(
        truth: Float[Tensor, "n_neurons n_tokens"], prediction: Float[Tensor, "n_neurons n_tokens"]
    ) -> Float[Tensor, " n_neurons"]:
        check_arrays(truth, prediction)
        return metric(truth, prediction, top_alpha_threshold(truth))

    return of_strongest
