"""Computation of several metrics of many neurons at once, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.catalogue import Metric, get
from metrics.errors import MetricInputError
from metrics.sharing import sharing
from metrics.validation import check_arrays, check_finite
from metrics.vectors import at_least_two

# 1M values: at most some 150 MB of intermediates, whatever the number of neurons. More is slower:
# the intermediates of one chunk then no longer fit the processor's caches.
_VALUES_IN_FLIGHT = 2**20


@torch.no_grad()
def compute(
    names: Sequence[str],
    truth: Float[Tensor, "n_neurons n_tokens"],
    prediction: Float[Tensor, "n_neurons n_tokens"],
    threshold: Float[Tensor, " n_neurons"] | None = None,
    *,
    chunk: int | None = None,
) -> dict[str, Float[Tensor, " n_neurons"]]:
    """Score every neuron on every named metric.

    Args:
        names: metrics of `METRICS`, in the order of the result.
        truth: true activations in raw units, BOS positions left out.
        prediction: simulated activations in raw units on the same tokens.
        threshold: firing thresholds in raw units; None if no named metric needs them.
        chunk: neurons scored at a time; None chooses it so that memory stays bounded.

    Returns:
        For each name a float64 tensor `[n_neurons]` on the CPU, NaN where the metric is null. On
        the CPU a neuron's scores are the same to the last digit whatever the chunk, the other
        neurons and the number of threads.

    Raises:
        UnknownMetricError: if a name is not known.
        MetricInputError: if shapes, types or devices do not fit, a value is not finite, a
            threshold is needed but absent, `chunk` is not positive, or `names` is one string.
    """
    if isinstance(names, str):
        raise MetricInputError(f"names is the string '{names}'; expected a list: ['{names}'].")
    chosen = [get(name) for name in names]
    check_arrays(truth, prediction, threshold)
    if threshold is None:
        _refuse_without_threshold(chosen)
    else:
        check_finite("threshold", threshold)
    if chunk is None:
        chunk = max(1, _VALUES_IN_FLIGHT // truth.shape[1])
    if chunk < 1:
        raise MetricInputError(f"chunk is {chunk}; it must be at least 1 neuron.")

    n_neurons = truth.shape[0]
    scores = {metric.name: torch.empty(n_neurons, dtype=torch.float64) for metric in chosen}
    for start in range(0, n_neurons, chunk):
        rows = slice(start, min(start + chunk, n_neurons))
        check_finite("truth", truth[rows], start)
        check_finite("prediction", prediction[rows], start)
        arrays = [at_least_two(truth[rows]), at_least_two(prediction[rows])]
        limits = [] if threshold is None else [at_least_two(threshold[rows])]
        with sharing():
            for metric in chosen:
                found = metric.function(*arrays, *(limits if metric.needs_threshold else ()))
                scores[metric.name][rows] = found[: rows.stop - start].cpu()
    return scores


def _refuse_without_threshold(chosen: Sequence[Metric]) -> None:
    needy = [metric.name for metric in chosen if metric.needs_threshold]
    if needy:
        raise MetricInputError(
            f"no threshold was given but {', '.join(needy)} need one;"
            " pass the neurons' firing thresholds in raw units."
        )
