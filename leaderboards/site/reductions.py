"""Reduction of millions of tokens to what a page shows: counts, chosen tokens and windows.

Everything works on many neurons at once: activations `[n, m, ctx]`, `text` the tokens that count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.evidence import Truth
from benchmark.interface import Evidence

BINS = 32
# Parts of either axis of the scatter plot that are distinguished when its tokens are drawn.
CELLS = 16
WINDOW = 64
# Tokens of a window that come after its anchor.
AFTER = 15


@dataclass(frozen=True)
class Spectrum:
    """Distribution of true activations, separately for tokens predicted to be quiet and to fire.

    Attributes:
        low: where the first bin begins, raw units, `[n]`.
        high: where the last bin ends, raw units, `[n]`.
        counts: tokens per bin, first those predicted to be quiet, `[n, 2, bins]`.
    """

    low: Float[Tensor, " n"]
    high: Float[Tensor, " n"]
    counts: Int[Tensor, "n 2 bins"]


def spectrum(
    truth: Float[Tensor, "n m ctx"],
    prediction: Float[Tensor, "n m ctx"],
    text: Bool[Tensor, "m ctx"],
    threshold: Float[Tensor, " n"],
    bins: int = BINS,
) -> Spectrum:
    """Return the histogram of the true activations split by whether the prediction fires."""
    true, predicted = truth[:, text], prediction[:, text]
    low = true.amin(1).clamp_max(0)
    # The threshold is always within, so that both sides of it are to be seen.
    reachable = torch.where(threshold < torch.finfo(threshold.dtype).max, threshold * 1.05, 0)
    high = torch.maximum(true.amax(1), reachable)
    high = torch.where(high > low, high, low + 1)
    place = ((true - low[:, None]) / (high - low)[:, None] * bins).long().clamp(0, bins - 1)
    place += bins * (predicted >= threshold[:, None])
    counts = torch.zeros(len(true), 2 * bins, dtype=torch.long)
    counts.scatter_add_(1, place, torch.ones_like(place))
    return Spectrum(low, high, counts.reshape(-1, 2, bins))


@dataclass(frozen=True)
class Points:
    """Chosen tokens of each neuron: indices into the flat `[m * ctx]`, and both activations."""

    places: Int[Tensor, "n points"]
    truth: Float[Tensor, "n points"]
    prediction: Float[Tensor, "n points"]


def scatter_points(
    truth: Float[Tensor, "n m ctx"],
    prediction: Float[Tensor, "n m ctx"],
    text: Bool[Tensor, "m ctx"],
    *,
    points: int = 300,
    seed: int = 0,
) -> Points:
    """Return tokens from everywhere in the plane of truth and prediction, however few lie there.

    Nearly all tokens lie at zero, and drawn in proportion they would hide all others. The plane
    is parted into cells; a token's chance is one over the number of tokens in its cell.

    Source: Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir".
    """
    places = torch.nonzero(text.flatten())[:, 0]
    true, predicted = truth.flatten(1)[:, places], prediction.flatten(1)[:, places]
    largest = torch.maximum(true.amax(1), predicted.amax(1)).clamp_min(1e-30)[:, None]
    cell = (true / largest * CELLS).long().clamp(0, CELLS - 1) * CELLS
    cell += (predicted / largest * CELLS).long().clamp(0, CELLS - 1)
    counts = torch.zeros(len(true), CELLS**2).scatter_add_(1, cell, torch.ones_like(true))
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(len(places), generator=generator).clamp_min(1e-7).log()
    key = counts.gather(1, cell) * chance
    chosen = key.topk(min(points, len(places)), dim=1).indices
    return Points(places[chosen], true.gather(1, chosen), predicted.gather(1, chosen))


@dataclass(frozen=True)
class Misses:
    """The worst tokens of each neuron from as many contexts; `context` is -1 where there are fewer.

    Attributes:
        context: rows of contexts, worst first, `[n, k]`.
        position: the token within its context, `[n, k]`.
        count: how many tokens are missed so in all, `[n]`.
    """

    context: Int[Tensor, "n k"]
    position: Int[Tensor, "n k"]
    count: Int[Tensor, " n"]


def worst_misses(
    truth: Float[Tensor, "n m ctx"],
    prediction: Float[Tensor, "n m ctx"],
    text: Bool[Tensor, "m ctx"],
    threshold: Float[Tensor, " n"],
    k: int,
) -> tuple[Misses, Misses]:
    """Return the false positives and negatives with the largest gap, at most one a context."""
    limit = threshold[:, None, None]
    fires, predicted = truth >= limit, prediction >= limit
    gap = prediction - truth
    return (
        _largest(gap, predicted & ~fires & text, k),
        _largest(-gap, fires & ~predicted & text, k),
    )


def _largest(gap: Float[Tensor, "n m ctx"], where: Bool[Tensor, "n m ctx"], k: int) -> Misses:
    best, position = gap.masked_fill(~where, -torch.inf).max(2)
    value, context = best.topk(min(k, best.shape[1]), dim=1)
    return Misses(
        context.masked_fill(value == -torch.inf, -1),
        position.gather(1, context),
        where.sum((1, 2)),
    )


def window_starts(
    anchor: Int[Tensor, "*shape"], length: int, window: int = WINDOW
) -> Int[Tensor, "*shape"]:
    """Return where a window of at most `window` tokens begins that shows an anchor and its past.

    The window lies within the `length` tokens of its context and never begins with the BOS.
    """
    window = min(window, length - 1)
    return (anchor + AFTER + 1 - window).clamp(1, max(1, length - window))


def take_windows(values: Tensor, starts: Int[Tensor, "*shape"], window: int = WINDOW) -> Tensor:
    """Return the windows of `values` `[*shape, ctx]`, `[*shape, window]`."""
    window = min(window, values.shape[-1] - 1)
    return values.gather(-1, starts[..., None] + torch.arange(window))


@dataclass(frozen=True)
class Moments:
    """Moments of true activations over tokens, each `[n]`; NaN where there is no spread."""

    mean: Float[Tensor, " n"]
    standard_deviation: Float[Tensor, " n"]
    skewness: Float[Tensor, " n"]
    excess_kurtosis: Float[Tensor, " n"]


def moments(truth: Float[Tensor, "n tokens"]) -> Moments:
    """Return the first four moments, computed in double precision about the mean."""
    values = truth.double()
    mean = values.mean(1)
    about = values - mean[:, None]
    square = about.square()
    variance = square.mean(1)
    third, fourth = (square * about).mean(1), square.square().mean(1)
    flat = variance <= 1e-24 * mean.square()
    return Moments(
        mean,
        variance.sqrt(),
        (third / variance**1.5).masked_fill(flat, torch.nan),
        (fourth / variance**2 - 3).masked_fill(flat, torch.nan),
    )


@dataclass(frozen=True)
class Windows:
    """Parts of contexts around an anchor.

    Attributes:
        contexts: token ids of the whole contexts, `[k, ctx]`.
        tokens: token ids, `[k, window]`.
        truth: true activations, raw units, `[k, window]`.
        starts: where each begins in its context.
        peaks: the true activation of each anchor.
        predicted: per method's slug its prediction, `[k, window]`.
    """

    contexts: Int[Tensor, "k ctx"]
    tokens: Int[Tensor, "k window"]
    truth: Float[Tensor, "k window"]
    starts: list[int]
    peaks: list[float]
    predicted: dict[str, Float[Tensor, "k window"]]


@dataclass(frozen=True)
class Miss:
    """The worst misses of one kind: how many tokens in all, and windows of some.

    `predicted` is the prediction on the missed token of each window, raw units.
    """

    count: int
    windows: Windows
    predicted: list[float]


class OwnContexts:
    """The contexts that a neuron has for itself: its exemplars, then its held-out top contexts."""

    def __init__(self, evidence: Evidence, truth: Truth) -> None:
        top_tokens = truth.tokens[truth.top]
        self.tokens = torch.cat([evidence.exemplars.tokens, top_tokens], dim=1)
        self.truth = torch.cat([evidence.exemplars.activations, truth.top_activations], dim=1)
        quiet = top_tokens == truth.bos
        anchors = truth.top_activations.masked_fill(quiet, -torch.inf).argmax(-1)
        self.anchors = torch.cat([evidence.exemplars.anchors, anchors], dim=1)
        self.starts = window_starts(self.anchors, self.tokens.shape[-1])
        n_exemplars = evidence.exemplars.tokens.shape[1]
        self.exemplars = slice(0, n_exemplars)
        self.top = slice(n_exemplars, self.tokens.shape[1])

    def windows(self, row: int, which: slice, predicted: dict[str, Tensor]) -> Windows:
        """Return the windows of one neuron's exemplars or top contexts, with predictions by
        method.
        """
        starts = self.starts[row, which]
        peaks = self.truth[row, which].gather(1, self.anchors[row, which][:, None])[:, 0]
        return Windows(
            self.tokens[row, which],
            take_windows(self.tokens[row, which], starts),
            take_windows(self.truth[row, which], starts),
            starts.tolist(),
            peaks.tolist(),
            {slug: take_windows(own[row, which], starts) for slug, own in predicted.items()},
        )


def miss_windows(
    slug: str,
    misses: Misses,
    tokens: Int[Tensor, "m ctx"],
    truth: Float[Tensor, "n m ctx"],
    prediction: Float[Tensor, "n m ctx"],
) -> list[Miss]:
    """Return the windows of each neuron's worst misses of one kind by one method."""
    found = []
    for row, count in enumerate(misses.count.tolist()):
        there = misses.context[row] >= 0
        context, position = misses.context[row][there], misses.position[row][there]
        starts = window_starts(position, tokens.shape[1])
        windows = Windows(
            tokens[context],
            take_windows(tokens[context], starts),
            take_windows(truth[row, context], starts),
            starts.tolist(),
            truth[row, context, position].tolist(),
            {slug: take_windows(prediction[row, context], starts)},
        )
        found.append(Miss(count, windows, prediction[row, context, position].tolist()))
    return found


def uniform_text(truth: Truth) -> Bool[Tensor, "m ctx"]:
    """Return which tokens of the `uniform` set count."""
    return truth.tokens[truth.uniform] != truth.bos
