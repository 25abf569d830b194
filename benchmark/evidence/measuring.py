"""Measuring: captures made, found or merged, and which of them a question needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.evidence.capture import ALL, Capture, LayerJob, Units, stream_layers
from benchmark.evidence.columns import Columns, ColumnWriter, units_digest
from benchmark.evidence.profile import LayerAccumulator, LayerProfile, Moments, profile_of
from benchmark.evidence.tables import (
    EXEMPLARS,
    EXPLAIN,
    HELD_OUT,
    PROFILE,
    STORED,
    TOP,
    TOP_ACTIVATIONS,
    Tables,
)
from benchmark.evidence.top_contexts import TopAccumulator, TopContexts, merge
from benchmark.files.tensor_cache import TensorCache

if TYPE_CHECKING:
    from benchmark.subject import Subject

PART = "part"  # of a profile or of top contexts, on disk until it is merged


class Measuring:
    """Captures of one subject on one corpus: each is made once and leaves files in a cache."""

    def __init__(
        self, subject: Subject, tables: Tables, cache: TensorCache, columns: Columns
    ) -> None:
        self._subject, self._tables = subject, tables
        self._cache, self._columns = cache, columns
        # Of units whose contexts were ranked here: values that so many contexts reach anyway.
        self._reached: dict[str, Tensor] = {}

    def captures(
        self, split: str, units: Mapping[int, Tensor], *, profile: bool = False
    ) -> list[Capture]:
        """Return the captures of a split that keep some units of some layers.

        Args:
            split: which text is run.
            units: by layer; a layer of which none is kept is run for its profile alone.
            profile: whether all units of these layers are profiled.
        """
        kept: dict[int, Units] = {}
        for layer, some in units.items():
            if len(some) == self._subject.n_units(layer):
                kept[layer] = ALL
            elif len(some) or profile:
                kept[layer] = tuple(some.tolist())
        if not kept:
            return []
        return [Capture(split, *one, kept, profile) for one in self._tables.ranges(split)]

    def is_made(self, capture: Capture) -> bool:
        """Return whether all files of a capture are on disk."""
        part = self._part(capture)
        for layer in capture.units:
            units, table = self._units(capture, layer), self._table(capture, layer)
            if part[0] < part[1] and len(units) and not self._columns.has(table, units, part):
                return False
            if _ranks(capture) and not self._cache.has(PART, self._rank_key(capture, layer)):
                return False
        return True

    def make(self, capture: Capture, advance: Callable[[int], object] = lambda _: None) -> None:
        """Run the contexts of a capture and write its files; nothing happens if they are there.

        Args:
            capture: what to run and to keep.
            advance: is told how many tokens were run, as they are.

        Raises:
            BenchmarkError: a file cannot be written, or the subject runs out of memory.
        """
        if self.is_made(capture):
            return
        contexts = self._tables.contexts(capture.split).select(slice(capture.start, capture.stop))
        part = self._part(capture)
        stored = self._tables.stored_rows(capture.split)[part[0] : part[1]] - capture.start
        jobs: dict[int, LayerJob] = {}
        with ExitStack() as files:
            for layer in capture.units:
                units, writer = self._units(capture, layer), None
                if len(units) and len(stored):
                    table = self._table(capture, layer)
                    writer = files.enter_context(self._columns.writing(table, units, part))
                jobs[layer] = self._job(capture, layer, units, writer)
            stream_layers(
                self._subject,
                contexts,
                stored,
                jobs,
                distinct_documents=capture.split == EXPLAIN,
                first_row=capture.start,
                searched=self._tables.searched(capture.split) - capture.start,
                dtype=self._tables.dtype,
                advance=advance,
            )
        for layer, job in jobs.items():
            if _ranks(capture):
                moments, top = _ranked(job)
                self._reach(capture, layer, top)
                self._cache.write(PART, self._rank_key(capture, layer), moments | top.packed())

    def merge(self, captures: Sequence[Capture]) -> dict[int, LayerProfile]:
        """Put together what captures of one split found out about each layer, and keep it.

        Args:
            captures: all of the split, in the order of their contexts; all are made.

        Returns:
            The profile of each layer, if they are of a profile.

        Raises:
            BenchmarkError: a file cannot be read back.
        """
        profiles: dict[int, LayerProfile] = {}
        for layer in captures[0].units if _ranks(captures[0]) else ():
            keys = [self._rank_key(capture, layer) for capture in captures]
            parts = [self._cache.read(PART, key) for key in keys]
            found = [part for part in parts if part is not None]
            if len(found) < len(parts):
                raise BenchmarkError(
                    f"what was measured of layer {layer} cannot be read back from "
                    f"'{self._cache.folder}'; check the disk, or choose another folder with "
                    "cache_dir=..., and repeat the same command."
                )
            if captures[0].profile:
                profiles[layer] = self._merge_profile(layer, found)
            else:
                self._merge_top(layer, self._units(captures[0], layer), found)
            for key in keys:
                self._cache.remove(PART, key)
        return profiles

    def _merge_profile(self, layer: int, parts: Sequence[Mapping[str, Tensor]]) -> LayerProfile:
        profile, top = profile_of(
            [(_moments_of(part), TopContexts.unpacked(part)) for part in parts]
        )
        self._write(EXEMPLARS, layer, torch.arange(len(top.values)), top.activations)
        tensors = {**vars(profile), "n_tokens": torch.tensor(profile.n_tokens)}
        self._cache.write(PROFILE, self._tables.key(PROFILE, layer), tensors)
        return profile

    def _merge_top(self, layer: int, units: Tensor, parts: Sequence[Mapping[str, Tensor]]) -> None:
        top = merge([TopContexts.unpacked(part) for part in parts])
        self._write(TOP, layer, units, top.contexts)
        self._write(TOP_ACTIVATIONS, layer, units, top.activations)

    def _write(self, kind: str, layer: int, units: Tensor, rows: Tensor) -> None:
        table = self._tables.table(kind, layer)
        with self._columns.writing(table, units, table.parts[0]) as writer:
            writer.add(rows)

    def _part(self, capture: Capture) -> tuple[int, int]:
        return self._tables.part(capture.split, capture.start, capture.stop)

    def _table(self, capture: Capture, layer: int) -> Any:
        return self._tables.table(STORED[capture.split], layer)

    def _units(self, capture: Capture, layer: int) -> Int[Tensor, " n"]:
        found = capture.units[layer]
        if found is ALL:
            return torch.arange(self._subject.n_units(layer))
        return torch.tensor(found, dtype=torch.long)

    def _rank_key(self, capture: Capture, layer: int) -> dict[str, Any]:
        """Return what determines a capture's part of a profile, or of top contexts."""
        rows = [capture.start, capture.stop]
        if capture.profile:
            return {**self._tables.key(EXEMPLARS, layer), "of": PROFILE, "rows": rows}
        units = units_digest(self._units(capture, layer))
        key = self._tables.key(TOP_ACTIVATIONS, layer)
        return {**key, "of": TOP, "rows": rows, "units": units}

    def _ranking(self, capture: Capture, layer: int) -> str:
        """Return what all captures share whose top contexts of a layer are merged."""
        return json.dumps({**self._rank_key(capture, layer), "rows": None}, sort_keys=True)

    def _reach(self, capture: Capture, layer: int, top: TopContexts) -> None:
        """Remember the weakest of each unit's top contexts: what is below can be left out."""
        name, weakest = self._ranking(capture, layer), top.values[:, -1]
        known = self._reached.get(name)
        self._reached[name] = weakest if known is None else torch.maximum(known, weakest)

    def _job(
        self, capture: Capture, layer: int, units: Tensor, writer: ColumnWriter | None
    ) -> LayerJob:
        tables, every = self._tables, self._subject.n_units(layer)
        chosen = None if len(units) == every else units
        device, length = (
            torch.device(self._subject.device),
            tables.contexts(EXPLAIN).tokens.shape[1],
        )
        profile = top = None
        reached = self._reached.get(self._ranking(capture, layer)) if _ranks(capture) else None
        if capture.profile:
            k = tables.n_exemplars
            profile = LayerAccumulator(every, k, length, tables.dtype, device, reached)
        elif capture.split == HELD_OUT:
            top = TopAccumulator(len(units), tables.n_top, length, tables.dtype, device, reached)
        return LayerJob(chosen, writer, profile, top)


def _ranks(capture: Capture) -> bool:
    """Return whether a capture looks for top contexts: exemplars, or those of held-out text."""
    return capture.profile or capture.split == HELD_OUT


def _ranked(job: LayerJob) -> tuple[dict[str, Tensor], TopContexts]:
    """Return what a layer's accumulator found: moments as tensors of a file, and top contexts."""
    if job.profile is not None:
        moments, top = job.profile.result()
        return {**vars(moments), "n_tokens": torch.tensor(moments.n_tokens)}, top
    assert job.top is not None
    return {}, job.top.result()


def _moments_of(part: Mapping[str, Tensor]) -> Moments:
    n_tokens = int(part["n_tokens"])
    return Moments(part["largest"], part["total"], part["squares"], n_tokens)
