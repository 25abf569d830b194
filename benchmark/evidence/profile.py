"""One streaming pass over contexts: maximum, moments and top contexts of a layer's neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.corpus import Contexts
from benchmark.evidence.segments import IntArray, Segments, find_segments
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


class LayerAccumulator:
    """Running state of one layer: `O(n_units * k)` memory, fixed shapes, no wait for the device.

    A context belongs to the document its strongest token belongs to, which differs from neuron to
    neuron; of each document only the strongest such context is kept.
    """

    def __init__(self, n_units: int, k: int, device: torch.device) -> None:
        self._k = k
        self._values = torch.full((n_units, k), -torch.inf, device=device)
        self._contexts = torch.full((n_units, k), -1, dtype=torch.long, device=device)
        self._documents = torch.full((n_units, k), -1, dtype=torch.long, device=device)
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
        strongest = _segment_maxima(activations, segments)
        self._max = torch.maximum(self._max, strongest.amax(0))
        self._add_contexts(strongest, segments, first_row)

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

    def _add_contexts(self, strongest: Tensor, segments: Segments, first_row: int) -> None:
        device = strongest.device
        negative = -torch.inf
        if len(segments.context) > len(np.unique(segments.context)):
            # Only the strongest segment of a context stands for the context.
            values, which = _best_of_groups(strongest, segments.context)
            strongest = torch.full_like(strongest, negative).scatter_(0, which, values)
        values, which = _best_of_groups(strongest, segments.document)
        context = torch.from_numpy(segments.context).to(device, non_blocking=True)
        documents = torch.from_numpy(np.unique(segments.document)).to(device, non_blocking=True)
        values, rows = values.T, context[which].T + first_row
        # A document that is in the list already keeps its stronger context only.
        same = self._documents[:, :, None] == documents
        held = torch.where(same, self._values[:, :, None], negative).amax(1)
        values = values.masked_fill(values <= held, negative)
        beaten = (same & (values > held)[:, None, :]).any(2)
        kept = self._values.masked_fill(beaten, negative)
        all_values = torch.cat([kept, values], dim=1)
        self._values, order = all_values.topk(self._k, dim=1)
        self._contexts = torch.cat([self._contexts, rows], dim=1).gather(1, order)
        names_everywhere = documents.expand(len(values), -1)
        self._documents = torch.cat([self._documents, names_everywhere], dim=1).gather(1, order)

    def result(self) -> LayerProfile:
        """Return the profile of all contexts taken in."""
        contexts = self._contexts.masked_fill(self._values == -torch.inf, -1)
        n = max(1, self._n_tokens)
        return LayerProfile(
            self._max.float().cpu(),
            (self._sum / n).float().cpu(),
            (self._square / n).float().cpu(),
            self._values.float().cpu(),
            contexts.cpu(),
            self._n_tokens,
        )


def _segment_maxima(activations: Tensor, segments: Segments) -> Float[Tensor, "s n_units"]:
    """Return the largest activation of each segment; contexts of one document go all at once."""
    n_contexts, length, n_units = activations.shape
    whole = (segments.start == 1) & (segments.stop == length)
    if whole.all() and len(whole) == n_contexts:
        return activations[:, 1:].amax(1)
    out = activations.new_empty((len(whole), n_units))
    if whole.any():
        rows = segments.context[whole]
        maxima = activations[:, 1:].amax(1)
        where = torch.from_numpy(np.flatnonzero(whole)).to(activations.device)
        out[where] = maxima[torch.from_numpy(rows).to(activations.device)]
    for i in np.flatnonzero(~whole).tolist():
        start, stop = int(segments.start[i]), int(segments.stop[i])
        torch.amax(activations[int(segments.context[i]), start:stop], dim=0, out=out[i])
    return out


def _best_of_groups(
    values: Float[Tensor, "s n_units"], groups: IntArray
) -> tuple[Float[Tensor, "g n_units"], Int[Tensor, "g n_units"]]:
    """Return the largest value of each group of rows, groups ascending, and its first row."""
    names, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    order = np.argsort(group, kind="stable")
    column = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Groups are made equally long by repeating their first member, which changes no maximum.
    members = np.repeat(order[np.cumsum(sizes) - sizes][:, None], int(sizes.max()), axis=1)
    members[group[order], column] = order
    rows = torch.from_numpy(members).to(values.device, non_blocking=True)
    best, place = values[rows].max(dim=1)
    return best, rows[torch.arange(len(names), device=values.device)[:, None], place]


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
    states = {
        layer: LayerAccumulator(subject.n_units(layer), k, torch.device(subject.device))
        for layer in layers
    }
    with progress(contexts.tokens.numel(), description, "tokens") as bar:
        for rows, activations in subject.stream(contexts.tokens, layers):
            batch = segments.of_rows(rows)
            for layer, state in states.items():
                state.update(activations[layer], batch, rows.start)
            bar.update(contexts.tokens[rows].numel())
    return {layer: state.result() for layer, state in states.items()}
