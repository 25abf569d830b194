"""Area under the receiver operating characteristic of the firing class."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.firing import is_firing
from metrics.ranks import average_ranks
from metrics.validation import check_arrays


def auroc(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Return the chance that a firing token is predicted above a quiet one, ties counting half.

    (sum of the predicted ranks of firing tokens - fired (fired + 1) / 2) / (fired quiet), in [0,
    1]; higher is better; a constant prediction scores 0.5. Labels are truth >= threshold; the
    prediction is not binarised. It is null (NaN) where the truth never fires or always does. Extra
    firing on a few of very many quiet tokens costs next to nothing: it fails the sanity tests.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `sklearn.metrics.roc_auc_score`, which it equals; one of the metrics of Oikarinen et al.
    2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity Checks" (arXiv
    2506.05774), as AUC.
    """
    check_arrays(truth, prediction, threshold)
    firing = is_firing(truth, threshold)
    fired = firing.sum(dim=1).double()
    quiet = firing.shape[1] - fired
    ranks = average_ranks(prediction).masked_fill(~firing, 0.0).sum(dim=1)
    area = (ranks - fired * (fired + 1) / 2) / (fired * quiet)
    return area.masked_fill(fired * quiet == 0, torch.nan)
