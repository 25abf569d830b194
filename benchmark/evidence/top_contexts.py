"""Top contexts of every unit of a layer, from one pass, with what the unit does on them.

A context belongs to the document that its strongest token belongs to, which differs from unit to
unit; of each document only the strongest context is kept. Contexts are ordered by their largest
activation, equal ones by their row, so that it does not matter in which parts they are seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.evidence.segments import IntArray, Segments

UNITS_AT_ONCE = 1024  # when parts are merged
WAITING_BYTES = 1 << 25  # of activations that wait to be sorted in, for each layer

_PLACES = "places"  # of the tensors of a file: where there is a context


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

    def packed(self) -> dict[str, Tensor]:
        """Return tensors of the contexts that there are, without places that hold none."""
        there = self.contexts >= 0
        held = {name: getattr(self, name)[there] for name in _NAMES}
        return {**held, _PLACES: there}

    @classmethod
    def unpacked(cls, tensors: Mapping[str, Tensor]) -> TopContexts:
        """Return what `packed` gave."""
        there = tensors[_PLACES]
        empty = {"values": -torch.inf, "contexts": -1, "documents": -1, "activations": 0}
        found = {}
        for name in _NAMES:
            held = tensors[name]
            found[name] = held.new_full((*there.shape, *held.shape[1:]), empty[name])
            found[name][there] = held
        return cls(**found)


_NAMES = tuple(TopContexts.__dataclass_fields__)


class TopAccumulator:
    """The top contexts so far, and the contexts that may still become one.

    What beats the weakest of a unit's top contexts is put aside with the unit's activations there,
    and sorted into the lists when many have come together: `O(n * k * ctx)` memory.

    Args:
        n_units: how many units.
        k: how many contexts are kept of each.
        length: tokens in a context.
        dtype: the precision in which activations are kept.
        device: where activations come from.
        at_least: contexts with a smaller largest activation are left out, `[n]`, because others
            are known that beat them; None for no limit.
    """

    def __init__(
        self,
        n_units: int,
        k: int,
        length: int,
        dtype: torch.dtype,
        device: torch.device,
        at_least: Float[Tensor, " n"] | None = None,
    ) -> None:
        self._n_units, self._k, self._device = n_units, k, device
        self._values = torch.full((n_units, k), -torch.inf, device=device)
        self._contexts = torch.full((n_units, k), -1, dtype=torch.long, device=device)
        self._documents = torch.full((n_units, k), -1, dtype=torch.long, device=device)
        self._kept = torch.zeros((n_units, k, length), dtype=dtype, device=device)
        self._at_least = None if at_least is None else at_least.to(device)
        self._waiting: list[_Candidates] = []
        self._n_waiting = 0
        self._most_waiting = max(n_units, WAITING_BYTES // (length * dtype.itemsize))
        self._last_document = -1  # of all batches: later ones are in no list
        self._repeated = False  # whether a waiting context may be of a document that is listed

    def update(
        self,
        activations: Float[Tensor, "b ctx n"],
        segments: Segments,
        first_row: int,
        strongest: Float[Tensor, "s n"] | None = None,
    ) -> None:
        """Take in a batch of contexts whose first one is row `first_row` of all contexts.

        Batches come in the order of their rows.

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
        if len(segments.context) > len(np.unique(segments.context)):
            # Only the strongest segment of a context stands for the context.
            values, which = _best_of_groups(strongest, segments.context)
            strongest = torch.full_like(strongest, -torch.inf).scatter_(0, which, values)
        beats = strongest > self._values[:, -1]
        if self._at_least is not None:
            beats &= strongest >= self._at_least
        segment, unit = beats.nonzero(as_tuple=True)
        if not len(unit):
            return
        first, last = int(segments.document.min()), int(segments.document.max())
        once = len(np.unique(segments.document)) == len(segments.document)
        self._repeated |= first <= self._last_document or not once
        self._last_document = max(self._last_document, last)
        context = torch.from_numpy(segments.context).to(self._device)[segment]
        document = torch.from_numpy(segments.document).to(self._device)[segment]
        found = activations[context, :, unit].to(self._kept.dtype)
        value = strongest[segment, unit].float()
        self._waiting.append(_Candidates(unit, value, context + first_row, document, found))
        self._n_waiting += len(unit)
        if self._n_waiting > self._most_waiting:
            self._sort_in()

    def _sort_in(self) -> None:
        """Put the contexts that wait into the lists."""
        if not self._waiting:
            return
        new = _Candidates(
            *(torch.cat([getattr(one, name) for one in self._waiting]) for name in _CANDIDATE)
        )
        # Of each unit as many columns as any unit has new contexts, in the order of their rows.
        counts = new.units.bincount(minlength=self._n_units)
        changing = counts.nonzero()[:, 0]
        counts = counts[changing]
        column = torch.arange(int(counts.max()), device=self._device)
        there = column < counts[:, None]
        place = (counts.cumsum(0) - counts)[:, None] + column
        which = new.units.argsort(stable=True)[place.masked_fill(~there, 0)]
        values = new.values[which].masked_fill(~there, -torch.inf)
        values = torch.cat([self._values[changing], values], 1)
        documents = torch.cat([self._documents[changing], new.documents[which]], 1)
        rows = torch.cat([self._contexts[changing], new.rows[which]], 1)
        # Rows ascend from the lists to what waits, so that the earlier of equal values comes first.
        values, order = values.sort(dim=1, descending=True, stable=True)
        if self._repeated:
            values = values.masked_fill(_named_before(documents.gather(1, order)), -torch.inf)
            values, again = values.sort(dim=1, descending=True, stable=True)
            order = order.gather(1, again)
        order = order[:, : self._k]
        stays = order < self._k
        unit = torch.arange(len(changing), device=self._device)[:, None].expand_as(order)
        kept = torch.empty_like(self._kept[changing])
        kept[stays] = self._kept[changing[unit[stays]], order[stays]]
        kept[~stays] = new.activations[which[unit[~stays], order[~stays] - self._k]]
        self._values[changing] = values[:, : self._k]
        self._contexts[changing] = rows.gather(1, order)
        self._documents[changing] = documents.gather(1, order)
        self._kept[changing] = kept
        self._waiting, self._n_waiting, self._repeated = [], 0, False

    def result(self) -> TopContexts:
        """Return the top contexts of all that was taken in, on the CPU."""
        self._sort_in()
        none = self._values == -torch.inf
        return TopContexts(
            self._values.cpu(),
            self._contexts.masked_fill(none, -1).cpu(),
            self._documents.masked_fill(none, -1).cpu(),
            self._kept.masked_fill(none[:, :, None], 0).cpu(),
        )


@dataclass(frozen=True)
class _Candidates:
    """Contexts that may be among a unit's top ones: `[c]`, and `[c, ctx]` for activations."""

    units: Tensor
    values: Tensor
    rows: Tensor
    documents: Tensor
    activations: Tensor


_CANDIDATE = tuple(_Candidates.__dataclass_fields__)


def _named_before(documents: Int[Tensor, "n c"]) -> Bool[Tensor, "n c"]:
    """Return which places of each row name a document that an earlier place names, too."""
    names, order = documents.sort(dim=1, stable=True)
    again = torch.zeros_like(names, dtype=torch.bool)
    again[:, 1:] = (names[:, 1:] == names[:, :-1]) & (names[:, 1:] >= 0)
    return torch.zeros_like(again).scatter_(1, order, again)


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
        repeated = _named_before(documents.gather(1, order))
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
