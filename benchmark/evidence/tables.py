"""Tables of stored activations: what is kept of every unit of a layer, and what determines it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.corpus import Contexts, Corpus
from benchmark.evidence.capture import ALL, Capture
from benchmark.evidence.columns import Part, Table
from benchmark.evidence.settings import EvidenceSettings, draw_rows
from benchmark.evidence.small import content_rows

if TYPE_CHECKING:
    from benchmark.subject import Subject

EXPLAIN, HELD_OUT, CALIBRATE = "explain", "held_out", "calibrate"
PROFILE, EXEMPLARS, SAMPLE = "profile", "exemplars", "sample"
UNIFORM, TOP, TOP_ACTIVATIONS, CALIBRATION = "uniform", "top", "top_activations", "calibration"
# The settings that determine each kind of file, beside subject, corpus and layer.
DETERMINED_BY = {
    PROFILE: ("explain", "exemplars"),
    EXEMPLARS: ("explain", "exemplars"),
    SAMPLE: ("explain", "sample"),
    UNIFORM: ("held_out", "uniform", "small"),
    TOP: ("held_out", "top"),
    TOP_ACTIVATIONS: ("held_out", "top"),
    CALIBRATION: ("calibrate",),
}
STORED = {EXPLAIN: SAMPLE, HELD_OUT: UNIFORM, CALIBRATE: CALIBRATION}
"""The table that the pass over each split fills for the units that are kept."""


class Tables:
    """The contexts of each split that are run, which of them are stored, and in which files.

    Attributes:
        explain, held_out, calibrate: the contexts drawn from each split.
        sample_rows, uniform_rows: which of them are stored for every unit that is kept, ascending.
        small_rows: the contexts of `uniform_small` among those that `contexts` gives of `held_out`,
            where those that the `uniform` set lacks come last.
    """

    def __init__(self, subject: Subject, corpus: Corpus, settings: EvidenceSettings) -> None:
        self._subject, self._settings = subject, settings
        self._length = corpus.context_length
        seed = settings.seed

        def drawn(split: str, wanted: int | None) -> Contexts:
            contexts = corpus.splits[split]
            return contexts.select(draw_rows(len(contexts), wanted, seed, split))

        self.explain = drawn(EXPLAIN, settings.explain)
        self.calibrate = drawn(CALIBRATE, settings.calibrate)
        every = corpus.splits[HELD_OUT]
        rows = draw_rows(len(every), settings.held_out, seed, HELD_OUT)
        self.held_out = every.select(rows)
        self.sample_rows = draw_rows(len(self.explain), settings.sample, seed, "sample")
        self.uniform_rows = draw_rows(len(self.held_out), settings.uniform, seed, "uniform")
        # What the uniform set lacks of the small one is run and stored behind all others, so that
        # neither the uniform set nor the top contexts depend on it.
        small = content_rows(every.tokens, corpus.fingerprint, settings.small)
        uniform = rows[self.uniform_rows]
        lacking = small[~torch.isin(small, uniform)]
        self._captured_held_out = every.select(torch.cat([rows, lacking]))
        behind = torch.searchsorted(lacking, small) + len(rows)
        shared = torch.isin(small, uniform)
        self.small_rows = torch.where(shared, torch.searchsorted(rows, small), behind)
        self._behind = torch.arange(len(rows), len(rows) + len(lacking))
        self._common: dict[str, Any] = {
            "subject": subject.fingerprint,
            "site": subject.site,
            "dtype": str(subject.dtype),
            "corpus": corpus.fingerprint,
            "context_length": corpus.context_length,
            "seed": seed,
            "shard": settings.shard,
        }

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision of stored activations: the subject's unless another one is set."""
        named = self._settings.storage
        if named is None:
            return self._subject.dtype
        found = getattr(torch, named)
        assert isinstance(found, torch.dtype)
        return found

    @property
    def n_exemplars(self) -> int:
        """Return how many exemplars are looked for."""
        return min(self._settings.exemplars, len(self.explain))

    @property
    def n_top(self) -> int:
        """Return how many top contexts of held-out text there are of each unit."""
        return min(self._settings.top, len(self.held_out))

    def key(self, kind: str, layer: int) -> dict[str, Any]:
        """Return what determines the files of a kind and a layer, whatever the units."""
        settings = {name: getattr(self._settings, name) for name in DETERMINED_BY[kind]}
        stored = {} if kind in (PROFILE, TOP) else {"storage": str(self.dtype)}
        return {**self._common, "layer": layer, **settings, **stored}

    def table(self, kind: str, layer: int) -> Table:
        """Return what is stored of units of a layer under a kind such as `sample`."""
        key = self.key(kind, layer)
        if kind == TOP:
            return Table(kind, key, ((0, self.n_top),), (), torch.int64)
        if kind in (TOP_ACTIVATIONS, EXEMPLARS):
            k = self.n_top if kind == TOP_ACTIVATIONS else self.n_exemplars
            return Table(kind, key, ((0, k),), (self._length,), self.dtype)
        (split,) = (split for split, stored in STORED.items() if stored == kind)
        parts = [self.part(split, *one) for one in self.ranges(split)]
        filled = tuple(part for part in parts if part[0] < part[1])
        return Table(kind, key, filled, (self._length,), self.dtype)

    def contexts(self, split: str) -> Contexts:
        """Return the contexts that are run of a split; those behind `held_out` are only stored."""
        held_out = self._captured_held_out
        return {EXPLAIN: self.explain, HELD_OUT: held_out, CALIBRATE: self.calibrate}[split]

    def searched(self, split: str) -> int:
        """Return in how many of the contexts that are run of a split strongest ones are found."""
        return len(self.held_out) if split == HELD_OUT else len(self.contexts(split))

    def stored_rows(self, split: str) -> Int[Tensor, " m"]:
        """Return which contexts of a split are stored for the units that are kept."""
        if split == CALIBRATE:
            return torch.arange(len(self.calibrate))
        if split == EXPLAIN:
            return self.sample_rows
        return torch.cat([self.uniform_rows, self._behind])

    def ranges(self, split: str) -> list[tuple[int, int]]:
        """Return the ranges of contexts in which a split is captured."""
        n, size = len(self.contexts(split)), self._settings.shard
        return [(start, min(start + size, n)) for start in range(0, n, size)]

    def part(self, split: str, start: int, stop: int) -> Part:
        """Return which rows of a split's table a range of its contexts holds; it may be none."""
        bounds = torch.searchsorted(self.stored_rows(split), torch.tensor([start, stop]))
        return int(bounds[0]), int(bounds[1])

    def bytes_of(
        self, captures: Iterable[Capture], n_units: Callable[[int], int] | None = None
    ) -> int:
        """Return how many bytes captures need on disk.

        Args:
            captures: all that are made.
            n_units: tells how many units a layer has; by default the subject is asked.
        """
        units_of = n_units or self._subject.n_units
        context, total = self._length * self.dtype.itemsize, 0
        for capture in captures:
            low, high = self.part(capture.split, capture.start, capture.stop)
            ranked = self.n_exemplars if capture.profile else self.n_top
            for layer, some in capture.units.items():
                every = units_of(layer)
                kept = every if some is ALL else len(some)
                total += kept * (high - low) * context
                if capture.profile or capture.split == HELD_OUT:
                    # Its own top contexts; the first one also stands for what all are merged into.
                    n = (every if capture.profile else kept) * (1 + (capture.start == 0))
                    total += n * ranked * (context + 20)
        return total
