"""Scores of neurons on resamples of their text, all resamples at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from metrics.catalogue import get
from metrics.sums import Units, UnitSums

# Distinct predicted values of firing tokens that average precision distinguishes; a neuron with
# more firing tokens than that has them in as many equal parts.
MOST_LEVELS = 256
# Numbers that one chunk of neurons counts at once for average precision.
COUNTS_AT_ONCE = 1 << 24
# Values of one chunk of neurons: what formulas hold of them stays within the processor's caches.
VALUES_AT_ONCE = 1 << 20

AVERAGE_PRECISION = "auprc"


def draw_weights(n_units: int, resamples: int, seed: int) -> Float[Tensor, "resamples units"]:
    """Return how often each unit is in each resample; a row sums to the number of units."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n_units, (resamples, n_units), generator=generator)
    ones = torch.ones(resamples, n_units, dtype=torch.float64)
    return torch.zeros_like(ones).scatter_add_(1, drawn, ones)


def can_resample(name: str) -> bool:
    """Return whether `resampled_scores` knows the metric of that name."""
    return name == AVERAGE_PRECISION or get(name).of_sums is not None


@torch.no_grad()
def resampled_scores(
    names: Sequence[str], units: Units, weights: Float[Tensor, "resamples units"]
) -> dict[str, Float[Tensor, "n resamples"]]:
    """Score every neuron on every resample of its units, NaN where the metric is null there.

    The scores are those of `metrics.compute` on the tokens of the units, each as often as it was
    drawn. Average precision distinguishes at most `MOST_LEVELS` predicted values of firing tokens.

    Args:
        names: metrics for which `can_resample` is true.
        units: the neurons on their text.
        weights: as `draw_weights` gives them; the same for all neurons.
    """
    formulas = {name: get(name).of_sums for name in names if name != AVERAGE_PRECISION}
    shape = (len(units), len(weights))
    scores = {name: torch.full(shape, math.nan, dtype=torch.float64) for name in names}
    if formulas:
        size = max(1, VALUES_AT_ONCE // units.truth.shape[1])
        for start in range(0, len(units), size):
            rows = slice(start, start + size)
            sums = UnitSums(units.rows(rows), weights)
            for name, formula in formulas.items():
                if formula is None:
                    raise ValueError(f"'{name}' does not follow from sums over tokens")
                scores[name][rows] = formula(sums)
    if AVERAGE_PRECISION in scores:
        scores[AVERAGE_PRECISION] = _average_precision(units, weights)
    return scores


def _average_precision(
    units: Units, weights: Float[Tensor, "resamples units"]
) -> Float[Tensor, "n resamples"]:
    """Compute average precision on every resample, chunk by chunk of neurons."""
    counts = torch.cat([units.rows(slice(i, i + 1)).fires().sum(1) for i in range(len(units))])
    values = torch.full((len(units), len(weights)), math.nan, dtype=torch.float64)
    # Neurons with like numbers of firing tokens together: the arrays are as wide as the largest.
    order = counts.argsort()
    order = order[counts[order] > 0]
    n_tokens = units.truth.shape[1]
    while len(order):
        width = min(MOST_LEVELS, int(counts[order[-1]]))
        size = max(1, COUNTS_AT_ONCE // (units.n_units * (width + 1) + 8 * n_tokens))
        rows, order = order[-size:], order[:-size]
        values[rows] = _precision_of(units.rows(rows), width, weights)
    return values


def _precision_of(
    units: Units, width: int, weights: Float[Tensor, "resamples units"]
) -> Float[Tensor, "n resamples"]:
    fires = units.fires()
    levels = _levels(units.prediction.masked_fill(~fires, -torch.inf), fires, width)
    bins = torch.searchsorted(-levels, -units.prediction)
    places = units.unit_of_each_token() * (width + 1) + bins
    everything = _counts(places, units.text.expand_as(fires), units.n_units, width)
    firing = _counts(places, fires, units.n_units, width)
    resampled = weights.to(torch.float32)
    ranked = torch.einsum("ru,nuk->nrk", resampled, everything).double().cumsum(-1)
    gained = torch.einsum("ru,nuk->nrk", resampled, firing).double()
    precision = gained.cumsum(-1) / ranked.clamp_min(1)
    fired = gained.sum(-1)
    return ((gained * precision).sum(-1) / fired).masked_fill(fired == 0, math.nan)


def _levels(
    predicted: Float[Tensor, "n tokens"], fires: Bool[Tensor, "n tokens"], width: int
) -> Float[Tensor, "n width"]:
    """Return the predicted values of firing tokens, descending, padded with minus infinity."""
    counts = fires.sum(1)
    most = int(counts.max())
    largest = predicted.topk(most, dim=1).values
    if most <= width:
        return largest.contiguous()
    # Evenly spaced ones, the last being the smallest.
    steps = torch.linspace(1 / width, 1, width, dtype=torch.float64)
    places = (steps * counts[:, None]).ceil().long().clamp(1, most) - 1
    return largest.gather(1, places).contiguous()


def _counts(
    places: Int[Tensor, "n tokens"], which: Bool[Tensor, "n tokens"], n_units: int, width: int
) -> Float[Tensor, "n units width"]:
    """Count tokens in each unit and bin; what is below the last bin is left out."""
    n = len(places)
    counts = torch.zeros(n, n_units * (width + 1))
    counts.scatter_add_(1, places, which.to(torch.float32))
    return counts.reshape(n, n_units, width + 1)[..., :width]
