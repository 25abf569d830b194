"""Profile of a layer: what one pass over contexts finds out about every unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.corpus import Contexts
from benchmark.evidence.segments import Segments, find_segments
from benchmark.evidence.top_contexts import TopAccumulator, TopContexts, merge, segment_maxima
from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from benchmark.subject import Subject


@dataclass(frozen=True)
class LayerProfile:
    """What one pass found out about every neuron of a layer; BOS positions are left out.

    Attributes:
        max_activation: the largest activation, raw units, `[n_units]`.
        mean_activation: the mean, `[n_units]`.
        mean_square: the mean of the square, `[n_units]`.
        top_values: the largest activation of each top context, descending, `[n_units, k]`.
        top_contexts: their rows, `[n_units, k]`; -1 where there were fewer than k documents.
        n_tokens: number of text tokens seen.
    """

    max_activation: Float[Tensor, " n_units"]
    mean_activation: Float[Tensor, " n_units"]
    mean_square: Float[Tensor, " n_units"]
    top_values: Float[Tensor, "n_units k"]
    top_contexts: Int[Tensor, "n_units k"]
    n_tokens: int

    @property
    def n_exemplars(self) -> int:
        """Return how many exemplars every neuron of the layer has."""
        return int((self.top_contexts >= 0).sum(1).min())


@dataclass(frozen=True)
class Moments:
    """Sums over some contexts, BOS left out, in float64 but for the maximum, `[n_units]` each.

    Attributes:
        largest: the largest activation.
        total: the sum of activations.
        squares: the sum of their squares.
        n_tokens: number of text tokens.
    """

    largest: Float[Tensor, " n_units"]
    total: Float[Tensor, " n_units"]
    squares: Float[Tensor, " n_units"]
    n_tokens: int

    def plus(self, other: Moments) -> Moments:
        """Return the moments of both parts; their order counts for the last digit."""
        return Moments(
            torch.maximum(self.largest, other.largest),
            self.total + other.total,
            self.squares + other.squares,
            self.n_tokens + other.n_tokens,
        )


class LayerAccumulator:
    """Running state of one layer: fixed shapes, no wait for the device but where a list changes.

    Args:
        n_units: how many units the layer has.
        k: how many top contexts are kept of each.
        length: tokens in a context.
        dtype: the precision in which their activations are kept.
        device: where activations come from.
        at_least: as `TopAccumulator`.
    """

    def __init__(
        self,
        n_units: int,
        k: int,
        length: int,
        dtype: torch.dtype,
        device: torch.device,
        at_least: Float[Tensor, " n_units"] | None = None,
    ) -> None:
        self._top = TopAccumulator(n_units, k, length, dtype, device, at_least)
        self._max = torch.full((n_units,), -torch.inf, device=device)
        self._sum = torch.zeros(n_units, dtype=torch.float64, device=device)
        self._square = torch.zeros(n_units, dtype=torch.float64, device=device)
        self._scratch = torch.empty(0, device=device)
        self._n_tokens = 0

    def update(
        self, activations: Float[Tensor, "b ctx n_units"], segments: Segments, first_row: int
    ) -> None:
        """Take in a batch of contexts whose first one is row `first_row` of all contexts."""
        if len(segments.context) == 0:
            return
        self._add_moments(activations, segments)
        strongest = segment_maxima(activations, segments)
        self._max = torch.maximum(self._max, strongest.amax(0))
        self._top.update(activations, segments, first_row, strongest)

    def _add_moments(self, activations: Tensor, segments: Segments) -> None:
        n_contexts, length, n_units = activations.shape
        device = activations.device
        counts = np.zeros((n_contexts, length + 1), dtype=np.float32)
        np.add.at(counts, (segments.context, segments.start), 1)
        np.add.at(counts, (segments.context, segments.stop), -1)
        text = torch.from_numpy(counts.cumsum(1)[:, :length].reshape(1, -1)).to(device)
        flat = activations.reshape(-1, n_units)
        if self._scratch.shape != flat.shape:
            self._scratch = torch.empty_like(flat)
        torch.mul(flat, flat, out=self._scratch)
        self._sum += (text @ flat)[0]
        self._square += (text @ self._scratch)[0]
        self._n_tokens += int((segments.stop - segments.start).sum())

    def result(self) -> tuple[Moments, TopContexts]:
        """Return what was found on all contexts taken in, on the CPU."""
        sums = (self._sum.cpu(), self._square.cpu())
        return Moments(self._max.float().cpu(), *sums, self._n_tokens), self._top.result()


def profile_of(parts: Sequence[tuple[Moments, TopContexts]]) -> tuple[LayerProfile, TopContexts]:
    """Return the profile of a layer from parts of the contexts, in their order."""
    moments = parts[0][0]
    for other, _ in parts[1:]:
        moments = moments.plus(other)
    top = merge([found for _, found in parts])
    n = max(1, moments.n_tokens)
    profile = LayerProfile(
        moments.largest,
        (moments.total / n).float(),
        (moments.squares / n).float(),
        top.values,
        top.contexts,
        moments.n_tokens,
    )
    return profile, top


def profile_layers(
    subject: Subject,
    contexts: Contexts,
    layers: Sequence[int],
    k: int,
    *,
    distinct_documents: bool = True,
    description: str = "profiling",
) -> Mapping[int, LayerProfile]:
    """Profile all neurons of some layers in one forward pass over the contexts `[n, ctx]`."""
    segments = find_segments(contexts, distinct_documents)
    length, device = contexts.tokens.shape[1], torch.device(subject.device)
    states = {
        layer: LayerAccumulator(subject.n_units(layer), k, length, torch.float32, device)
        for layer in layers
    }
    with progress(contexts.tokens.numel(), description, "tokens") as bar:
        for rows, activations in subject.stream(contexts.tokens, layers):
            batch = segments.of_rows(rows)
            for layer, state in states.items():
                state.update(activations[layer], batch, rows.start)
            bar.update(contexts.tokens[rows].numel())
    return {layer: profile_of([state.result()])[0] for layer, state in states.items()}
