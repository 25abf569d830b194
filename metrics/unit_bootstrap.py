"""Intervals of single neurons' scores: a bootstrap over the units of their text.

A score of a neuron depends on which contexts or documents were drawn. Metrics that follow from
sums are resampled; for any other a tenth of the units is left out at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metrics.catalogue import get
from metrics.resampled import can_resample, resampled_scores
from metrics.scoring import compute
from metrics.sums import Units

LEVEL = 0.95
PARTS = 10

Interval = tuple[Float[Tensor, " n"], Float[Tensor, " n"]]


@torch.no_grad()
def unit_intervals(
    names: Sequence[str], units: Units, weights: Float[Tensor, "resamples units"]
) -> dict[str, Interval]:
    """Return 95 % intervals of each metric, low and high `[n]`; NaN where no resample has a value.

    Args:
        names: names of metrics.
        units: the neurons on their text.
        weights: as `draw_weights` gives them; the same for all neurons.
    """
    known = [name for name in names if can_resample(name)]
    ends = {
        name: percentiles(scores)
        for name, scores in resampled_scores(known, units, weights).items()
    }
    return {name: ends[name] if name in ends else _jackknife(name, units) for name in names}


def percentiles(scores: Float[Tensor, "n resamples"], level: float = LEVEL) -> Interval:
    """Return the ends of the middle part of each neuron's resamples that have a value."""
    tail = (1 - level) / 2
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    low, high = scores.double().nanquantile(ends, dim=1)
    return low, high


def _jackknife(name: str, units: Units) -> Interval:
    """Return a normal interval from leaving out every tenth unit, ten times."""
    parts = min(PARTS, units.n_units)
    if parts < 2:
        nothing = torch.full((len(units),), torch.nan, dtype=torch.float64)
        return nothing, nothing
    part = units.unit_of_each_token() % parts
    values = torch.stack([_metric(name, units, part != left_out) for left_out in range(parts)])
    spread = (values - values.mean(0)).square().sum(0) * (parts - 1) / parts
    half = 1.959964 * spread.sqrt()
    whole = _metric(name, units, torch.ones_like(part, dtype=torch.bool))
    known = get(name)
    low, high = whole - half, whole + half
    if known.lower is not None:
        low = low.clamp_min(known.lower)
    if known.upper is not None:
        high = high.clamp_max(known.upper)
    return low, high


def _metric(name: str, units: Units, kept: Bool[Tensor, " tokens"]) -> Float[Tensor, " n"]:
    """Return a metric on some of the tokens, for each neuron."""
    text = units.text & kept
    truth, prediction, threshold = units.truth, units.prediction, units.threshold
    if len(text) == 1:
        return compute([name], truth[:, text[0]], prediction[:, text[0]], threshold)[name]
    values = torch.empty(len(truth), dtype=torch.float64)
    lengths = text.sum(1)
    for length in lengths.unique():
        rows = torch.nonzero(lengths == length)[:, 0]
        mask = text[rows]
        values[rows] = compute(
            [name],
            truth[rows][mask].reshape(len(rows), -1),
            prediction[rows][mask].reshape(len(rows), -1),
            threshold[rows],
        )[name]
    return values
