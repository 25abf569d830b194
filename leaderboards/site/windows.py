"""Parts of contexts that a page shows, around what is to be seen there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.evidence import Truth
from benchmark.interface import Evidence
from leaderboards.site.reductions import Misses, take_windows, window_starts


@dataclass(frozen=True)
class Windows:
    """Parts of contexts around an anchor.

    Attributes:
        tokens: token ids, `[k, window]`.
        truth: true activations, raw units, `[k, window]`.
        starts: where each begins in its context.
        peaks: the true activation of each anchor.
        predicted: per method's slug its prediction, `[k, window]`.
    """

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
