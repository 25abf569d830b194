"""Intervals of one neuron's scores: its contexts drawn again, for many neurons at once.

A score of a neuron hangs on which contexts were drawn. Whole contexts are resampled, because the
tokens of one context are not independent. What most metrics need of a context is a few sums, so
that all resamples of all neurons are one matrix product; average precision needs the counts
between the predicted values of the firing tokens. Whatever is not known here is done by leaving
out a tenth of the contexts at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

import metrics

RESAMPLES = 400
LEVEL = 0.95
# Distinct predicted values of firing tokens that average precision tells apart; a neuron with
# more firing tokens than that has them in as many equal parts.
MOST_LEVELS = 256
# Numbers that one chunk of neurons counts at once for average precision.
COUNTS_AT_ONCE = 1 << 24
PARTS = 10

Interval = tuple[Float[Tensor, " n"], Float[Tensor, " n"]]
Sums = Mapping[str, Float[Tensor, "n resamples"]]


@dataclass(frozen=True)
class Scored:
    """Neurons on the contexts of one scoring set.

    Attributes:
        truth: true activations, raw units, `[n, m, ctx]`.
        prediction: simulated activations, `[n, m, ctx]`.
        text: which tokens are scored, `[n, m, ctx]` or, shared, `[1, m, ctx]`.
        threshold: the firing thresholds, `[n]`.
    """

    truth: Float[Tensor, "n m ctx"]
    prediction: Float[Tensor, "n m ctx"]
    text: Bool[Tensor, "#n m ctx"]
    threshold: Float[Tensor, " n"]

    def rows(self, which: Int[Tensor, " r"]) -> Scored:
        """Some of the neurons."""
        text = self.text if len(self.text) == 1 else self.text[which]
        return Scored(self.truth[which], self.prediction[which], text, self.threshold[which])


def draw_weights(n_contexts: int, resamples: int, seed: int) -> Float[Tensor, "resamples m"]:
    """How often each context is in each resample, `[resamples, m]`; a row sums to `m`."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n_contexts, (resamples, n_contexts), generator=generator)
    ones = torch.ones(resamples, n_contexts, dtype=torch.float64)
    return torch.zeros_like(ones).scatter_add_(1, drawn, ones)


@torch.no_grad()
def score_intervals(
    names: Sequence[str], scored: Scored, weights: Float[Tensor, "resamples m"]
) -> dict[str, Interval]:
    """Percentile intervals of each metric, `[n]` low and high; NaN where no resample has a value.

    Args:
        names: names of metrics.
        scored: the neurons.
        weights: as `draw_weights` gives them; the same for all neurons.
    """
    formulas = [name for name in names if name in _FORMULAS]
    found: dict[str, Interval] = {}
    if formulas:
        sums = {
            name: values @ weights.T for name, values in _context_sums(scored, formulas).items()
        }
        for name in formulas:
            found[name] = _percentiles(_FORMULAS[name](sums))
    for name in names:
        if name == "auprc":
            found[name] = _percentiles(_average_precision(scored, weights))
        elif name not in found:
            found[name] = _left_out(name, scored)
    return {name: found[name] for name in names}


def _context_sums(scored: Scored, names: Sequence[str]) -> dict[str, Float[Tensor, "n m"]]:
    """Per context what the formulas need."""
    text = scored.text.expand_as(scored.truth)
    fires = (scored.truth >= scored.threshold[:, None, None]) & text
    predicted = (scored.prediction >= scored.threshold[:, None, None]) & text
    sums = {
        "tokens": text.sum(-1).double(),
        "fired": fires.sum(-1).double(),
        "predicted": predicted.sum(-1).double(),
        "hits": (fires & predicted).sum(-1).double(),
    }
    if all(name in _COUNTING for name in names):
        return sums
    # In double precision: a constant prediction must be seen to be one.
    y = scored.truth.masked_fill(~text, 0).double()
    p = scored.prediction.masked_fill(~text, 0).double()
    return sums | {
        "y": y.sum(-1),
        "p": p.sum(-1),
        "yy": y.square().sum(-1),
        "pp": p.square().sum(-1),
        "yp": (y * p).sum(-1),
        "|y|": y.abs().sum(-1),
        "|y-p|": (y - p).abs().sum(-1),
    }


def _pearson(sums: Sums) -> Tensor:
    n = sums["tokens"]
    spread_y = (sums["yy"] - sums["y"] ** 2 / n).clamp_min(0)
    spread_p = (sums["pp"] - sums["p"] ** 2 / n).clamp_min(0)
    together = sums["yp"] - sums["y"] * sums["p"] / n
    # A constant prediction scores 0, a constant truth has no score: rounding must not hide them.
    flat_y, flat_p = spread_y <= 1e-12 * sums["yy"], spread_p <= 1e-12 * sums["pp"]
    value = together / (spread_y * spread_p).sqrt()
    return value.masked_fill(flat_p, 0.0).masked_fill(flat_y, math.nan)


def _cosine(sums: Sums) -> Tensor:
    value = sums["yp"] / (sums["yy"] * sums["pp"]).sqrt()
    return value.masked_fill(sums["pp"] == 0, 0.0).masked_fill(sums["yy"] == 0, math.nan)


def _r2(sums: Sums) -> Tensor:
    error = sums["yy"] - 2 * sums["yp"] + sums["pp"]
    return 1 - error / (sums["yy"] - sums["y"] ** 2 / sums["tokens"])


def _rsquared(sums: Sums) -> Tensor:
    return 1 - (sums["yy"] - 2 * sums["yp"] + sums["pp"]) / sums["yy"]


def _absolute(sums: Sums) -> Tensor:
    return 1 - sums["|y-p|"] / sums["|y|"]


def _if_fired(sums: Sums, value: Tensor) -> Tensor:
    return value.masked_fill(sums["fired"] == 0, math.nan)


def _f1(sums: Sums) -> Tensor:
    return _if_fired(sums, 2 * sums["hits"] / (sums["fired"] + sums["predicted"]))


def _precision(sums: Sums) -> Tensor:
    return _if_fired(sums, sums["hits"] / sums["predicted"].clamp_min(1))


def _recall(sums: Sums) -> Tensor:
    return _if_fired(sums, sums["hits"] / sums["fired"])


def _iou(sums: Sums) -> Tensor:
    either = sums["fired"] + sums["predicted"] - sums["hits"]
    return _if_fired(sums, sums["hits"] / either)


_COUNTING: dict[str, Callable[[Sums], Tensor]] = {
    "f1": _f1,
    "precision": _precision,
    "recall": _recall,
    "iou": _iou,
}
_FORMULAS: dict[str, Callable[[Sums], Tensor]] = {
    **_COUNTING,
    "pearson": _pearson,
    "cosine": _cosine,
    "r2": _r2,
    "openai_rsquared": _rsquared,
    "openai_absolute_dev_explained": _absolute,
}


def _average_precision(
    scored: Scored, weights: Float[Tensor, "resamples m"]
) -> Float[Tensor, "n resamples"]:
    """Average precision of every resample, chunk by chunk of neurons."""
    n, m, _ = scored.truth.shape
    fires = (scored.truth >= scored.threshold[:, None, None]) & scored.text
    counts = fires.sum((1, 2))
    values = torch.full((n, len(weights)), math.nan, dtype=torch.float64)
    # Neurons with like numbers of firing tokens together: the arrays are as wide as the largest.
    order = counts.argsort()
    order = order[counts[order] > 0]
    while len(order):
        width = min(MOST_LEVELS, int(counts[order[-1]]))
        size = max(1, COUNTS_AT_ONCE // (m * (width + 1)))
        rows, order = order[-size:], order[:-size]
        values[rows] = _precision_of(scored.rows(rows), fires[rows], width, weights)
    return values


def _precision_of(
    scored: Scored,
    fires: Bool[Tensor, "n m ctx"],
    width: int,
    weights: Float[Tensor, "resamples m"],
) -> Float[Tensor, "n resamples"]:
    n, m, length = scored.truth.shape
    levels = _levels(scored.prediction.masked_fill(~fires, -torch.inf).flatten(1), fires, width)
    bins = torch.searchsorted(-levels, -scored.prediction.flatten(1).contiguous())
    bins = bins.reshape(n, m, length)
    everything, firing = _counts(bins, scored.text, width), _counts(bins, fires, width)
    resampled = weights.to(torch.float32)
    ranked = torch.einsum("rm,nmk->nrk", resampled, everything).double().cumsum(-1)
    gained = torch.einsum("rm,nmk->nrk", resampled, firing).double()
    precision = gained.cumsum(-1) / ranked.clamp_min(1)
    fired = gained.sum(-1)
    return ((gained * precision).sum(-1) / fired).masked_fill(fired == 0, math.nan)


def _levels(
    predicted: Float[Tensor, "n tokens"], fires: Bool[Tensor, "n m ctx"], width: int
) -> Float[Tensor, "n width"]:
    """Predicted values of firing tokens, descending, padded with minus infinity."""
    counts = fires.sum((1, 2))
    most = int(counts.max())
    largest = predicted.topk(most, dim=1).values
    if most <= width:
        return largest.contiguous()
    # Evenly spaced ones, the last being the smallest.
    steps = torch.linspace(1 / width, 1, width, dtype=torch.float64)
    places = (steps * counts[:, None]).ceil().long().clamp(1, most) - 1
    return largest.gather(1, places).contiguous()


def _counts(
    bins: Int[Tensor, "n m ctx"], which: Bool[Tensor, "#n m ctx"], width: int
) -> Float[Tensor, "n m width"]:
    """Per context how many of the tokens lie in each bin; what is below the last is left out."""
    n, m, _ = bins.shape
    counted = which.expand_as(bins).to(torch.float32)
    return torch.zeros(n, m, width + 1).scatter_add_(2, bins, counted)[..., :width]


def _left_out(name: str, scored: Scored) -> Interval:
    """A normal interval by the jackknife: every tenth context left out, ten times."""
    n, m, _ = scored.truth.shape
    parts = min(PARTS, m)
    if parts < 2:
        nothing = torch.full((n,), math.nan, dtype=torch.float64)
        return nothing, nothing
    part = torch.arange(m) % parts
    values = torch.stack([_metric(name, scored, part != left_out) for left_out in range(parts)])
    spread = (values - values.mean(0)).square().sum(0) * (parts - 1) / parts
    half = 1.959964 * spread.sqrt()
    whole = _metric(name, scored, torch.ones(m, dtype=torch.bool))
    known = metrics.get(name)
    low, high = whole - half, whole + half
    if known.lower is not None:
        low = low.clamp_min(known.lower)
    if known.upper is not None:
        high = high.clamp_max(known.upper)
    return low, high


def _metric(name: str, scored: Scored, kept: Bool[Tensor, " m"]) -> Float[Tensor, " n"]:
    """A metric on some of the contexts, for each neuron."""
    text = scored.text[:, kept]
    truth, prediction = scored.truth[:, kept], scored.prediction[:, kept]
    if len(text) == 1:
        flat = text[0]
        found = metrics.compute([name], truth[:, flat], prediction[:, flat], scored.threshold)
        return found[name].double()
    values = torch.empty(len(truth), dtype=torch.float64)
    lengths = text.flatten(1).sum(1)
    for length in lengths.unique():
        rows = torch.nonzero(lengths == length)[:, 0]
        mask = text[rows]
        values[rows] = metrics.compute(
            [name],
            truth[rows][mask].reshape(len(rows), -1),
            prediction[rows][mask].reshape(len(rows), -1),
            scored.threshold[rows],
        )[name].double()
    return values


def _percentiles(values: Float[Tensor, "n resamples"]) -> Interval:
    """The middle `LEVEL` of the resamples that have a value."""
    tail = (1 - LEVEL) / 2
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    low, high = values.double().nanquantile(ends, dim=1)
    return low, high
