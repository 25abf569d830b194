"""Top contexts of every unit of a layer, from one pass, with what the unit does on them.

A context belongs to the document that its strongest token belongs to, which differs from unit to
unit; of each document only the strongest context is kept. Contexts are ordered by their largest
activation, equal ones by their row, so that it does not matter in which parts they are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.evidence.segments import IntArray, Segments

UNITS_AT_ONCE = 1024  # when parts are merged


@dataclass(frozen=True)
class TopContexts:
    """The strongest contexts of each unit, strongest first.

    Attributes:
        values: the largest activation in each context, `[n, k]`; -inf where there is none.
        contexts: their rows, `[n, k]`; -1 where there were fewer than k documents.
        documents: which document each belongs to, `[n, k]`; -1 where there is none.
        activations: what the unit does there, `[n, k, ctx]`; of any precision, zero where there is
            no context.
    """

    values: Float[Tensor, "n k"]
    contexts: Int[Tensor, "n k"]
    documents: Int[Tensor, "n k"]
    activations: Float[Tensor, "n k ctx"]


class TopAccumulator:
    """The top contexts so far: `O(n * k * ctx)` memory, fixed shapes.

    Args:
        n_units: how many units.
        k: how many contexts are kept of each.
        length: tokens in a context.
        dtype: the precision in which activations are kept.
        device: where activations come from.
    """

    def __init__(
        self, n_units: int, k: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self._k = k
        self._values = torch.full((n_units, k), -torch.inf, device=device)
        self._contexts = torch.full((n_units, k), -1, dtype=torch.long, device=device)
        self._documents = torch.full((n_units, k), -1, dtype=torch.long, device=device)
        self._last_document = -1  # of all batches: later ones are not in any list
        # Activations stay where they were put; a slot says where.
        self._slots = torch.arange(k, device=device).repeat(n_units, 1)
        self._kept = torch.zeros((n_units, k, length), dtype=dtype, device=device)

    def update(
        self,
        activations: Float[Tensor, "b ctx n"],
        segments: Segments,
        first_row: int,
        strongest: Float[Tensor, "s n"] | None = None,
    ) -> None:
        """Take in a batch of contexts whose first one is row `first_row` of all contexts.

        Args:
            activations: of the batch.
            segments: those of the batch.
            first_row: where the batch begins.
            strongest: the largest activation of each segment, where it is known.
        """
        if len(segments.context) == 0:
            return
        if strongest is None:
            strongest = segment_maxima(activations, segments)
        device, negative = strongest.device, -torch.inf
        # Most units change in few batches, once the first ones are over.
        changing = (strongest > self._values[:, -1]).any(0).nonzero()[:, 0]
        if not len(changing):
            return
        strongest = strongest[:, changing]
        if len(segments.context) > len(np.unique(segments.context)):
            # Only the strongest segment of a context stands for the context.
            values, which = _best_of_groups(strongest, segments.context)
            strongest = torch.full_like(strongest, negative).scatter_(0, which, values)
        values, which = _best_of_groups(strongest, segments.document)
        context = torch.from_numpy(segments.context).to(device, non_blocking=True)
        names_here = np.unique(segments.document)
        documents = torch.from_numpy(names_here).to(device, non_blocking=True)
        values, rows = values.T, context[which].T + first_row
        kept, known = self._values[changing], self._documents[changing]
        beaten = torch.zeros_like(kept, dtype=torch.bool)
        if names_here[0] <= self._last_document:
            # A document that is in the list already keeps its stronger context only.
            same = known[:, :, None] == documents
            held = torch.where(same, kept[:, :, None], negative).amax(1)
            values = values.masked_fill(values <= held, negative)
            beaten = (same & (values > held)[:, None, :]).any(2)
        self._last_document = max(self._last_document, int(names_here[-1]))
        both = torch.cat([kept.masked_fill(beaten, negative), values], dim=1)
        all_rows = torch.cat([self._contexts[changing], rows], dim=1)
        order = ordered(both, all_rows)[:, : self._k]
        names = torch.cat([known, documents.expand(len(changing), -1)], dim=1)
        self._values[changing] = both.gather(1, order)
        self._contexts[changing] = all_rows.gather(1, order)
        self._documents[changing] = names.gather(1, order)
        self._keep(changing, order, activations, first_row)

    def _keep(self, changing: Tensor, order: Tensor, activations: Tensor, first_row: int) -> None:
        """Put the activations of new contexts into the slots of those that they displace."""
        new = order >= self._k
        slots = self._slots[changing]
        staying = slots.gather(1, order.masked_fill(new, 0))
        free = torch.ones_like(slots, dtype=torch.bool)
        unit, place = (~new).nonzero(as_tuple=True)
        free[unit, staying[unit, place]] = False
        unit, place = new.nonzero(as_tuple=True)
        slot = free.nonzero(as_tuple=True)[1]  # of each unit as many as it has new contexts
        staying[unit, place] = slot
        self._slots[changing] = staying
        units = changing[unit]
        rows = self._contexts[units, place] - first_row
        found = torch.isfinite(self._values[units, place])  # there may be fewer contexts than k
        units, rows, slot = units[found], rows[found], slot[found]
        self._kept[units, slot] = activations[rows, :, units].to(self._kept.dtype)

    def result(self) -> TopContexts:
        """Return the top contexts of all that was taken in, on the CPU."""
        none = self._values == -torch.inf
        units = torch.arange(len(self._slots), device=self._slots.device)[:, None]
        activations = self._kept[units, self._slots]
        activations[none] = 0
        return TopContexts(
            self._values.float().cpu(),
            self._contexts.masked_fill(none, -1).cpu(),
            self._documents.masked_fill(none, -1).cpu(),
            activations.cpu(),
        )


def merge(parts: Sequence[TopContexts]) -> TopContexts:
    """Return the top contexts of parts that saw different rows, in any order.

    Every part keeps the same number of contexts, which the result keeps too.
    """
    n_units = len(parts[0].values)
    found = [
        _merged([_units(part, units) for part in parts])
        for units in torch.arange(n_units).split(UNITS_AT_ONCE)
    ]
    return TopContexts(*(torch.cat([getattr(one, name) for one in found]) for name in _NAMES))


_NAMES = tuple(TopContexts.__dataclass_fields__)


def _units(part: TopContexts, units: Tensor) -> TopContexts:
    return TopContexts(*(getattr(part, name)[units] for name in _NAMES))


def _merged(parts: Sequence[TopContexts]) -> TopContexts:
    total = parts[0]
    k = total.values.shape[1]
    for part in parts[1:]:
        values, contexts, documents, activations = (
            torch.cat([getattr(total, name), getattr(part, name)], dim=1) for name in _NAMES
        )
        # Each list names a document once: another entry of it can only be in the other list.
        order = ordered(values, contexts)
        names = documents.gather(1, order)
        earlier = (names[:, :, None] == names[:, None, :]) & (names >= 0)[:, :, None]
        repeated = earlier.tril(-1).any(2)
        sorted_values = values.gather(1, order).masked_fill(repeated, -torch.inf)
        again = ordered(sorted_values, contexts.gather(1, order))[:, :k]
        order = order.gather(1, again)
        values = sorted_values.gather(1, again)
        none = values == -torch.inf
        rows = torch.arange(len(order))[:, None]
        total = TopContexts(
            values,
            contexts.gather(1, order).masked_fill(none, -1),
            documents.gather(1, order).masked_fill(none, -1),
            activations[rows, order].masked_fill(none[:, :, None], 0),
        )
    return total


def ordered(values: Float[Tensor, "n c"], rows: Int[Tensor, "n c"]) -> Int[Tensor, "n c"]:
    """Return the places of contexts from the largest value down, equal ones by row."""
    by_row = rows.argsort(dim=1, stable=True)
    order = values.gather(1, by_row).argsort(dim=1, descending=True, stable=True)
    return by_row.gather(1, order)


def segment_maxima(
    activations: Float[Tensor, "b ctx n"], segments: Segments
) -> Float[Tensor, "s n"]:
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
    values: Float[Tensor, "s n"], groups: IntArray
) -> tuple[Float[Tensor, "g n"], Int[Tensor, "g n"]]:
    """Return the largest value of each group of rows, groups ascending, and its first row."""
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    if len(names) == len(groups):
        rows = torch.from_numpy(first).to(values.device, non_blocking=True)
        return values[rows], rows[:, None].expand(-1, values.shape[1])
    sizes = np.bincount(group)
    order = np.argsort(group, kind="stable")
    column = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Groups are made equally long by repeating their first member, which changes no maximum.
    members = np.repeat(order[np.cumsum(sizes) - sizes][:, None], int(sizes.max()), axis=1)
    members[group[order], column] = order
    rows = torch.from_numpy(members).to(values.device, non_blocking=True)
    best, place = values[rows].max(dim=1)
    return best, rows[torch.arange(len(names), device=values.device)[:, None], place]
