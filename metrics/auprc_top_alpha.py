"""Area under the precision-recall curve of the neuron's top-alpha tokens."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from metrics.auprc import auprc
from metrics.top_alpha import top_alpha_threshold
from metrics.validation import check_arrays


def auprc_top_alpha(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
) -> Float[Tensor, " n_neurons"]:
    """Average precision of the prediction as a ranking of the tokens, top-alpha ones first.

    `auprc` with the neuron's strongest 0.5 % of the scored tokens (`metrics.top_alpha.ALPHA`), ties
    included, instead of those above the firing threshold; in [0, 1]; higher is better. Labels
    are truth >= cutoff; the prediction is not binarised. It is never null: some token is always the
    strongest.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: one of the metrics of Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified
    Framework with Sanity Checks" (arXiv 2506.05774), with its binarisation of the neuron.
    """
    check_arrays(truth, prediction)
    return auprc(truth, prediction, top_alpha_threshold(truth))
