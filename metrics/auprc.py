"""Area under the precision-recall curve of the firing class."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.firing import is_firing
from metrics.ranks import sorted_tokens
from metrics.validation import check_arrays


def auprc(
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"],
) -> Float[Tensor, " n_neurons"]:
    """Return the average precision of the prediction as a ranking of the tokens, firing ones first.

    sum over the distinct predicted values, from the largest down, of
    (recall there - recall before) * precision there, in [0, 1]; no interpolation. Tokens with
    equal predictions are ranked together, so a constant prediction scores the share of tokens
    that fire. Labels are truth >= threshold; the prediction is not binarised. It is null (NaN)
    where the truth never fires.

    Raises:
        MetricInputError: if shapes, types or devices do not fit.

    Source: `sklearn.metrics.average_precision_score`, which it equals; one of the metrics of
    Oikarinen et al. 2025, "Evaluating Neuron Explanations: A Unified Framework with Sanity
    Checks" (arXiv 2506.05774).
    """
    check_arrays(truth, prediction, threshold)
    ranked, order = (part.flip(1) for part in sorted_tokens(prediction))
    hits = is_firing(truth, threshold).gather(1, order).cumsum(dim=1)
    fired = hits[:, -1].double()

    last_of_its_value = torch.ones_like(hits, dtype=torch.bool)
    last_of_its_value[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
    # The hits up to the end of the previous value: counts never fall, so the largest seen so far.
    counted = hits.masked_fill(~last_of_its_value, 0).cummax(dim=1).values
    gained = counted.diff(dim=1, prepend=torch.zeros_like(counted[:, :1]))

    n_ranked = torch.arange(1, prediction.shape[1] + 1, device=prediction.device)
    precision = hits.double() / n_ranked
    # Whole hits are summed and divided once: a perfect ranking gives exactly 1.
    area = (gained * precision).sum(dim=1) / fired
    return area.masked_fill(fired == 0, torch.nan)
