"""Items: windows of held-out text of which some activate a neuron, the same for every judge.

All come from contexts that are scored, which are of the `held_out` split: no explainer has seen
them. An activating item is a window around the peak of a context in which the neuron fires; items
are spread evenly over the ranks of these peaks, so that each tenth of them is as frequent.
The others are windows in which it does not fire, around tokens drawn from the contexts that all
neurons share. Where in its window the peak, or the token drawn, stands is drawn uniformly, so that
the place says nothing. A window ends where its document does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from benchmark.interface import HeldOut
from benchmark.results.columns import SHARED_SETS

QUANTILES = 10
NOT_ACTIVATING = -1
# How often a quiet window is looked for in every context before there are none.
ROUNDS = 4

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Items:
    """The windows that a neuron is judged on, the activating ones first and by rising peaks.

    Attributes:
        rows: the rows of `HeldOut.tokens` that they are in, `[i]`.
        starts, stops: their first positions there, and those behind their last ones, `[i]`.
        quantiles: which tenth of the activating contexts' peaks each is in, 0 for the lowest;
            `NOT_ACTIVATING` for the others, `[i]`.
    """

    rows: Integers
    starts: Integers
    stops: Integers
    quantiles: Integers

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def activating(self) -> NDArray[np.bool_]:
        """Return which of them activate the neuron, `[i]`."""
        found: NDArray[np.bool_] = self.quantiles != NOT_ACTIVATING
        return found

    def followed_by(self, other: Items) -> Items:
        """Return these items and others behind them."""
        return Items(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.starts, other.starts]),
            np.concatenate([self.stops, other.stops]),
            np.concatenate([self.quantiles, other.quantiles]),
        )

    def select(self, which: Integers) -> Items:
        """Return some of them."""
        return Items(self.rows[which], self.starts[which], self.stops[which], self.quantiles[which])

    def maxima(self, activations: Float[Tensor, "u ctx"]) -> Float[Tensor, " i"]:
        """Return the largest of a neuron's activations on `HeldOut.tokens` in each window."""
        if not len(self):
            return torch.empty(0)
        width = int((self.stops - self.starts).max())
        positions = np.minimum(self.starts[:, None] + np.arange(width), self.stops[:, None] - 1)
        rows = torch.from_numpy(self.rows)[:, None]
        found: Tensor = activations[rows, torch.from_numpy(positions)].amax(1)
        return found


class ItemDraw:
    """Draws the items of the neurons of a block.

    Args:
        truth: the block's true activations.
        sets: the scoring sets whose contexts are drawn from; the first is shared by all neurons.
        window: tokens in a window, at most.
    """

    def __init__(self, truth: HeldOut, sets: Sequence[str], window: int) -> None:
        self._truth, self._sets, self._window = truth, sets, window
        self._known: dict[str, _Contexts] = {}

    def of(self, place: int, threshold: float, name: str, n: int) -> Items:
        """Return a neuron's items: at most `n` that activate it, and at most `n` others.

        Args:
            place: of the neuron in the block.
            threshold: an activation at or above it counts as firing, raw units.
            name: of the neuron, such as `3.400`, which decides the draw.
            n: how many of each kind.
        """
        draw = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
        parts = [self._contexts(one, place) for one in self._sets]
        values = [self._activations(one, place) for one in self._sets]
        firing = _firing(parts, values, threshold, n, self._window, draw)
        quiet = _quiet(parts[0], values[0] >= threshold, n, self._window, draw)
        return firing.followed_by(quiet)

    def firing(self, place: int, threshold: float, items: Items) -> list[NDArray[np.bool_]]:
        """Return on which tokens of each item its neuron fires."""
        found: dict[int, NDArray[np.bool_]] = {}
        for scoring_set in self._sets:
            rows = self._contexts(scoring_set, place).rows.tolist()
            fires = self._activations(scoring_set, place) >= threshold
            for number, row in enumerate(rows):
                found.setdefault(row, fires[number])
        ends = zip(items.rows.tolist(), items.starts, items.stops, strict=True)
        return [found[row][start:stop] for row, start, stop in ends]

    def _contexts(self, scoring_set: str, place: int) -> _Contexts:
        if scoring_set in self._known:
            return self._known[scoring_set]
        text = self._truth.scored(scoring_set)
        shared = scoring_set in SHARED_SETS and len(text) == 1
        rows = self._truth.rows(scoring_set)[0 if shared else place]
        found = _Contexts.of(rows, text[place if len(text) > 1 else 0])
        if shared:
            self._known[scoring_set] = found
        return found

    def _activations(self, scoring_set: str, place: int) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self._truth.activations(scoring_set)[place].float().numpy()
        return values


@dataclass(frozen=True)
class _Contexts:
    """Contexts that windows are drawn from.

    Attributes:
        rows: of `HeldOut.tokens`, `[c]`.
        text: the tokens that may be in a window, `[c, ctx]`.
        low, high: where the run of text begins that a token is in, and the position behind its end.
        places: the positions of text tokens, those of others behind them, `[c, ctx]`.
    """

    rows: Integers
    text: NDArray[np.bool_]
    low: Integers
    high: Integers
    places: Integers

    @classmethod
    def of(cls, rows: Int[Tensor, " c"], text: Bool[Tensor, "c ctx"]) -> _Contexts:
        """Return contexts with the runs of text in them."""
        mask = text.numpy()
        length = mask.shape[1]
        at = np.arange(length)
        low = np.maximum.accumulate(np.where(mask, 0, at + 1), axis=1)
        turned = np.where(mask, length, at)[:, ::-1]
        high = np.minimum.accumulate(turned, axis=1)[:, ::-1]
        places = np.argsort(~mask, axis=1, kind="stable")
        return cls(rows.numpy().astype(np.int64), mask, low, high, places)

    def windows(
        self, which: Integers, anchors: Integers, offsets: Integers, window: int
    ) -> tuple[Integers, Integers]:
        """Return the first positions of windows around anchors, and those behind their ends."""
        low, high = self.low[which, anchors], self.high[which, anchors]
        stops = np.minimum(high, np.maximum(low, anchors - offsets) + window)
        return np.maximum(low, stops - window), stops


def _firing(
    parts: Sequence[_Contexts],
    values: Sequence[NDArray[np.float32]],
    threshold: float,
    n: int,
    window: int,
    draw: np.random.Generator,
) -> Items:
    """Return windows around the peaks of contexts in which the neuron fires, by rising peaks."""
    found: list[tuple[Integers, Integers, Integers, NDArray[np.float32]]] = []
    taken: Integers = np.empty(0, dtype=np.int64)
    for part, activations in zip(parts, values, strict=True):
        inside = np.where(part.text, activations, -np.inf)
        offsets = draw.integers(window, size=len(part.rows))
        anchors, peaks = inside.argmax(1), inside.max(1)
        which = np.flatnonzero((peaks >= threshold) & ~np.isin(part.rows, taken))
        ends = part.windows(which, anchors[which], offsets[which], window)
        found.append((part.rows[which], *ends, peaks[which]))
        taken = np.concatenate([taken, part.rows])
    rows, starts, stops, every = (np.concatenate(one) for one in zip(*found, strict=True))
    order = np.argsort(every, kind="stable")
    # Evenly over the ranks: the middle ones of as many equal parts.
    n_kept = min(n, len(order))
    ranks = ((np.arange(n_kept) + 0.5) * len(order) / max(1, n_kept)).astype(np.int64)
    chosen = order[ranks]
    quantiles = ranks * QUANTILES // max(1, len(order))
    return Items(rows[chosen], starts[chosen], stops[chosen], quantiles)


def _quiet(
    part: _Contexts,
    fires: NDArray[np.bool_],
    n: int,
    window: int,
    draw: np.random.Generator,
) -> Items:
    """Return windows in which the neuron does not fire, at most one of a context."""
    before = np.cumsum(np.pad(fires & part.text, ((0, 0), (1, 0))), axis=1)
    counts = part.text.sum(1)
    left = np.flatnonzero(counts)
    chosen: list[tuple[Integers, Integers, Integers]] = []
    n_found = 0
    for _ in range(ROUNDS):
        left = draw.permutation(left)
        places = (draw.random(len(left)) * counts[left]).astype(np.int64)
        anchors = part.places[left, places]
        starts, stops = part.windows(left, anchors, draw.integers(window, size=len(left)), window)
        quiet = before[left, stops] == before[left, starts]
        which = np.flatnonzero(quiet)[: n - n_found]
        chosen.append((part.rows[left[which]], starts[which], stops[which]))
        n_found += len(which)
        left = np.sort(left[~quiet])
        if n_found == n or not len(left):
            break
    rows, starts, stops = (np.concatenate(one) for one in zip(*chosen, strict=True))
    return Items(rows, starts, stops, np.full(len(rows), NOT_ACTIVATING))
