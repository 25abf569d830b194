"""Evidence and truth of neurons: measured in one pass over each split, kept on disk."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.corpus import Corpus
from benchmark.corpus.overlap import seen_windows
from benchmark.errors import BenchmarkError
from benchmark.evidence.capture import Capture, by_position
from benchmark.evidence.columns import Columns
from benchmark.evidence.firing import firing_thresholds
from benchmark.evidence.measuring import Measuring
from benchmark.evidence.profile import LayerProfile
from benchmark.evidence.room import check_room
from benchmark.evidence.selection import dead_neurons
from benchmark.evidence.settings import EvidenceSettings
from benchmark.evidence.small import SmallSet, content_rows, first_tokens
from benchmark.evidence.tables import (
    CALIBRATE,
    CALIBRATION,
    EXEMPLARS,
    EXPLAIN,
    HELD_OUT,
    PROFILE,
    SAMPLE,
    STORED,
    TOP,
    TOP_ACTIVATIONS,
    UNIFORM,
    Tables,
)
from benchmark.evidence.truth import NOVEL_LENGTH, CalibrationTruth, Truth
from benchmark.files.tensor_cache import Expected, TensorCache
from benchmark.interface import Evidence, Exemplars, Sample
from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from benchmark.subject import Subject

DESCRIPTIONS = {
    EXPLAIN: "explain split: evidence",
    HELD_OUT: "held-out split: truth",
    CALIBRATE: "calibrate split: truth",
}
BELONGS_TO = {TOP: UNIFORM, TOP_ACTIVATIONS: UNIFORM, EXEMPLARS: PROFILE}
"""Tables that are measured with another one, and never without it."""


@dataclass(frozen=True)
class Block:
    """Neurons of one layer that are explained together: the unit of work and of resuming."""

    index: int
    layer: int
    neurons: Int[Tensor, " n"]


class EvidenceStore:
    """Everything measured about one subject on one corpus under one set of settings.

    Attributes:
        measure: makes captures, each by `capture`; by default one after the other, here.
        capture_tokens, capture_seconds: tokens that `measure` was asked to run, and what it took.
        explain, held_out, calibrate: the contexts drawn from each split.
        sample_rows, uniform_rows: which contexts of `explain` are the sample, and which of
            `held_out` are the `uniform` set.
    """

    def __init__(
        self,
        subject: Subject,
        corpus: Corpus,
        settings: EvidenceSettings,
        cache: TensorCache,
    ) -> None:
        self.subject = subject
        self.corpus = corpus
        self.settings = settings
        self.cache = cache
        self.tables = tables = Tables(subject, corpus, settings)
        self.explain, self.held_out = tables.explain, tables.held_out
        self.calibrate = tables.calibrate
        self.sample_rows, self.uniform_rows = tables.sample_rows, tables.uniform_rows
        self.measure: Callable[[Sequence[Capture]], None] = self._measure_here
        self.capture_tokens, self.capture_seconds = 0, 0.0
        self._columns = Columns(cache)
        self._measuring = Measuring(subject, tables, cache, self._columns)
        self._profiles: dict[int, LayerProfile] = {}
        self._measured: set[tuple[str, int]] = set()  # tables of layers that are counted already

    @functools.cached_property
    def novel(self) -> Bool[Tensor, "m ctx"]:
        """Return which tokens of the `uniform` set end a run that the `explain` split lacks.

        The whole split counts, also what of it no exemplar is taken from. A token with fewer than
        `NOVEL_LENGTH` tokens of its document before it in its context is not among them.
        """
        uniform = self.held_out.select(self.uniform_rows)
        complete, seen = seen_windows(uniform, self.corpus.splits["explain"], NOVEL_LENGTH)
        return complete & ~seen

    @property
    def small_text(self) -> Bool[Tensor, "s ctx"]:
        """Return which tokens of its contexts are in the `uniform_small` set."""
        tokens = self.tables.contexts(HELD_OUT).tokens[self.tables.small_rows]
        return first_tokens(tokens, self.held_out.bos, self.settings.small_tokens)

    # What is measured.

    def profile_is_cached(self, layer: int) -> bool:
        """Return whether the profile of a layer is on disk."""
        return self.cache.has(PROFILE, self.tables.key(PROFILE, layer))

    def has_profile(self, layer: int) -> bool:
        """Read the profile of a layer; returns whether it is there, and whole."""
        if layer not in self._profiles:
            key = self.tables.key(PROFILE, layer)
            stored = self.cache.read(PROFILE, key, self._expected_profile(layer))
            if stored is not None:
                self._profiles[layer] = _profile_from(stored)
                self._count(PROFILE, layer)
        return layer in self._profiles

    def profiles(
        self, layers: Sequence[int], keep: Mapping[int, Int[Tensor, " n"]] | None = None
    ) -> Mapping[int, LayerProfile]:
        """Return profiles of all neurons of the layers, missing ones made in one pass.

        Args:
            layers: the layers.
            keep: of each layer neurons whose activations on the sample that pass keeps as well,
                because they are likely to be asked for.
        """
        missing = [layer for layer in layers if not self.has_profile(layer)]
        if missing:
            none = torch.empty(0, dtype=torch.long)
            kept = {layer: (keep or {}).get(layer, none) for layer in missing}
            units = {layer: self._missing(SAMPLE, layer, kept[layer]) for layer in missing}
            self._make(self._measuring.captures(EXPLAIN, units, profile=True))
        return {layer: self._profiles[layer] for layer in layers}

    def prepare(
        self,
        blocks: Sequence[Block],
        *,
        sample: bool = True,
        truth: bool = True,
        calibrate: bool = False,
    ) -> None:
        """Measure and store what is not on disk of some blocks, in one pass over each split.

        Args:
            blocks: whose.
            sample: also activations on the sample, for explainers that ask for it.
            truth: also the truth on held-out text.
            calibrate: also the truth on the `calibrate` split.

        Raises:
            BenchmarkError: the disk does not hold it, or the `calibrate` split is wanted and empty.
        """
        if calibrate and not len(self.calibrate):
            raise BenchmarkError(
                "calibration needs text, and the calibrate split has no context; give it a share "
                "of the documents (dataset.fractions.calibrate), or leave calibration=none."
            )
        wanted = _units_by_layer(blocks)
        self.profiles(sorted(wanted), keep=wanted if sample else None)
        self._make(self._needed(wanted, sample=sample, truth=truth, calibrate=calibrate))

    def prepare_truth(self, blocks: Sequence[Block], *, calibrate: bool = False) -> None:
        """Measure and store the truth alone, as `prepare` does: what scoring needs."""
        wanted = _units_by_layer(blocks)
        self._make(self._needed(wanted, sample=False, truth=True, calibrate=calibrate))

    def is_cached(
        self, block: Block, *, sample: bool = True, truth: bool = True, calibrate: bool = False
    ) -> bool:
        """Return whether all that `prepare` would measure of a block is on disk."""
        wanted = {block.layer: block.neurons}
        needed = self._needed(wanted, sample=sample, truth=truth, calibrate=calibrate)
        return self.profile_is_cached(block.layer) and not needed

    def to_measure(
        self,
        units: Mapping[int, Int[Tensor, " n"]],
        *,
        keep: Mapping[int, Int[Tensor, " n"]] | None = None,
        sample: bool = True,
        calibrate: bool = False,
    ) -> list[Capture]:
        """Return the captures that `prepare` would make for some units of each layer.

        Args:
            units: by layer.
            keep: those that the pass for missing profiles keeps on the sample; see `profiles`.
            sample: as `prepare`.
            calibrate: as `prepare`.
        """
        none = torch.empty(0, dtype=torch.long)
        profiled = {
            layer: self._missing(SAMPLE, layer, (keep or {}).get(layer, none))
            for layer in units
            if not self.has_profile(layer)
        }
        captures = self._measuring.captures(EXPLAIN, profiled, profile=True)
        if sample and keep is not None:  # those are measured by then
            others = {layer: some for layer, some in units.items() if layer not in profiled}
            captures += self._needed(others, sample=True, truth=False, calibrate=False)
        elif sample:
            captures += self._needed(units, sample=True, truth=False, calibrate=False)
        captures += self._needed(units, sample=False, truth=True, calibrate=calibrate)
        return [capture for capture in captures if not self._measuring.is_made(capture)]

    def drop(self, blocks: Sequence[Block]) -> None:
        """Remove what was measured of the neurons of some blocks together, and of no others."""
        for layer, units in _units_by_layer(blocks).items():
            for kind in (SAMPLE, UNIFORM, TOP, TOP_ACTIVATIONS, CALIBRATION):
                self._columns.remove(self.tables.table(kind, layer), units)

    def capture(self, capture: Capture, advance: Callable[[int], object] = lambda _: None) -> None:
        """Make one capture, whoever it is wanted by; see `Measuring.make`."""
        self._measuring.make(capture, advance)

    def _needed(
        self, wanted: Mapping[int, Tensor], *, sample: bool, truth: bool, calibrate: bool
    ) -> list[Capture]:
        """Return the captures without which something asked for is not on disk."""
        asked = {EXPLAIN: sample, HELD_OUT: truth, CALIBRATE: calibrate}
        captures: list[Capture] = []
        for split, kind in STORED.items():
            if asked[split]:
                units = {at: self._missing(kind, at, some) for at, some in wanted.items()}
                captures += self._measuring.captures(split, units)
        return captures

    def _missing(self, kind: str, layer: int, units: Tensor) -> Tensor:
        """Return the units of a layer that are not on disk with all that belongs together."""
        kinds = [kind, *(one for one, first in BELONGS_TO.items() if first == kind)]
        left = [self._columns.missing(self.tables.table(one, layer), units) for one in kinds]
        missing: Tensor = torch.cat(left).unique()
        return missing

    def _make(self, captures: Sequence[Capture]) -> None:
        """Make captures that are not made yet, and merge what belongs to a layer as a whole."""
        if not captures:
            return
        self.cache.check_writable()
        todo = [capture for capture in captures if not self._measuring.is_made(capture)]
        check_room(self.cache.folder, self.tables.bytes_of(todo))
        if todo:
            began = time.perf_counter()
            self.measure(todo)
            self.capture_seconds += time.perf_counter() - began
            self.capture_tokens += self.tokens_of(todo)
            self._columns.forget()
        for split in dict.fromkeys(capture.split for capture in captures):
            of_split = [capture for capture in captures if capture.split == split]
            self._profiles.update(self._measuring.merge(of_split))
            for layer, units in of_split[0].units.items():
                made = [PROFILE] if of_split[0].profile else []
                made += [STORED[split]] if units is None or len(units) else []
                self._measured.update((kind, layer) for kind in made)
                self.cache.misses += len(made)

    def _measure_here(self, captures: Sequence[Capture]) -> None:
        for split in dict.fromkeys(capture.split for capture in captures):
            of_split = [capture for capture in captures if capture.split == split]
            with progress(self.tokens_of(of_split), DESCRIPTIONS[split], "tokens") as bar:
                for capture in of_split:
                    self.capture(capture, bar.update)

    def tokens_of(self, captures: Sequence[Capture]) -> int:
        """Return how many tokens captures run."""
        contexts = sum(capture.stop - capture.start for capture in captures)
        return contexts * self.corpus.context_length

    def _count(self, kind: str, layer: int) -> None:
        """Count a table of a layer that was read and not measured here, once."""
        place = (BELONGS_TO.get(kind, kind), layer)
        if place not in self._measured:
            self._measured.add(place)
            self.cache.hits += 1

    def dead_neurons(self, layer: int) -> Bool[Tensor, " n_units"]:
        """Return which neurons of a layer are dead; see `benchmark.evidence.selection`."""
        return dead_neurons(self.profiles([layer])[layer], self.subject.output_norms(layer))

    def firing_thresholds(self, block: Block, reference: str | None = None) -> Float[Tensor, " n"]:
        """Return the activation from which on each neuron of a block fires, raw units.

        Args:
            block: the neurons.
            reference: one of `FIRING_REFERENCES`; None takes that of the settings.
        """
        profile = self.profiles([block.layer])[block.layer]
        chosen = reference or self.settings.firing_reference
        return firing_thresholds(profile, chosen, self.settings.firing)[block.neurons]

    def _expected_profile(self, layer: int) -> dict[str, Expected]:
        width, contexts = self.subject.n_units(layer), len(self.explain)
        k = min(self.settings.exemplars, contexts)
        return {
            "max_activation": Expected(torch.float32, (width,)),
            "mean_activation": Expected(torch.float32, (width,)),
            "mean_square": Expected(torch.float32, (width,)),
            "top_values": Expected(torch.float32, (width, k)),
            "top_contexts": Expected(torch.int64, (width, k), -1, contexts),
            "n_tokens": Expected(torch.int64, (), 0),
        }

    def exemplar_rows(self, block: Block) -> Int[Tensor, "n k"]:
        """Return rows of the explain contexts that are the exemplars of each neuron of a block."""
        profile = self.profiles([block.layer])[block.layer]
        k = profile.n_exemplars
        if k == 0:
            raise BenchmarkError(
                f"layer {block.layer} has no exemplars: the explain split holds no text token."
            )
        return profile.top_contexts[block.neurons, :k]

    # What a run reads.

    def evidence(self, block: Block, *, sample: bool = True) -> Evidence:
        """Return the evidence of a block, with the sample or without; measure what is missing."""
        self.profiles([block.layer], keep={block.layer: block.neurons} if sample else None)
        activations = self._exemplars(block)
        profile = self._profiles[block.layer]
        rows = self.exemplar_rows(block)
        tokens = self.explain.tokens[rows]
        text = tokens != self.explain.bos
        return Evidence(
            layer=block.layer,
            neurons=block.neurons.clone(),  # nothing of it is shared with the runner
            bos=self.explain.bos,
            max_activation=profile.max_activation[block.neurons],
            mean_activation=profile.mean_activation[block.neurons],
            firing_threshold=self.firing_thresholds(block),
            exemplars=Exemplars(
                tokens,
                activations,
                activations.masked_fill(~text, -torch.inf).argmax(-1),
                self.explain.documents[rows],
            ),
            sample=self._sample(block) if sample else None,
        )

    def evidence_in_cache(self, block: Block) -> Evidence | None:
        """Return the evidence of a block without the sample if it is on disk, else None."""
        table = self.tables.table(EXEMPLARS, block.layer)
        if not self.profile_is_cached(block.layer) or len(
            self._columns.missing(table, block.neurons)
        ):
            return None
        return self.evidence(block, sample=False)

    def _sample(self, block: Block) -> Sample:
        return Sample(
            self.explain.tokens[self.sample_rows],
            by_position(self._read(SAMPLE, block)),
            self.explain.documents[self.sample_rows],
        )

    def _exemplars(self, block: Block) -> Float[Tensor, "n k ctx"]:
        """Return what neurons do on exemplars; profile the layer again if the file is damaged."""
        table = self.tables.table(EXEMPLARS, block.layer)
        stored = self._columns.read(table, block.neurons)
        if stored is None:
            self._profiles.pop(block.layer, None)
            self.cache.remove(PROFILE, self.tables.key(PROFILE, block.layer))
            self.profiles([block.layer])
            stored = self._columns.read(table, block.neurons)
        if stored is None:
            raise self._not_read_back(EXEMPLARS, block.layer)
        return stored[:, : self.exemplar_rows(block).shape[1]]

    def truth(self, block: Block) -> Truth:
        """Return the truth of a block on the scoring sets; measure what is missing."""
        stored = self._read(UNIFORM, block)
        top, activations = self._read(TOP, block), self._read(TOP_ACTIVATIONS, block)
        small = self.tables.small_rows
        rows = torch.cat([self.uniform_rows, top.reshape(-1), small]).unique(sorted=True)
        captured = self.tables.contexts(HELD_OUT)
        return Truth(
            bos=self.held_out.bos,
            tokens=captured.tokens[rows],
            uniform=torch.searchsorted(rows, self.uniform_rows),
            top=torch.searchsorted(rows, top),
            uniform_activations=stored[:, : len(self.uniform_rows)],
            top_activations=activations,
            novel=self.novel,
            documents=self.held_out.documents[self.uniform_rows],
            small=SmallSet(
                rows=torch.searchsorted(rows, small),
                text=self.small_text,
                activations=stored[:, torch.searchsorted(self.tables.stored_rows(HELD_OUT), small)],
                documents=captured.documents[small],
            ),
        )

    def small_part(self, tokens: Int[Tensor, "m ctx"]) -> Bool[Tensor, "m ctx"]:
        """Return which tokens of any contexts a simulator predicts that predicts a part alone.

        They are chosen of these contexts as those of `uniform_small` are of the held-out ones.
        """
        chosen = torch.zeros(len(tokens), 1, dtype=torch.bool)
        chosen[content_rows(tokens, self.corpus.fingerprint, self.settings.small)] = True
        return first_tokens(tokens, self.held_out.bos, self.settings.small_tokens) & chosen

    def calibration_truth(self, block: Block) -> CalibrationTruth:
        """Return the truth of a block on the `calibrate` split; measure what is missing."""
        activations = self._read(CALIBRATION, block)
        return CalibrationTruth(self.calibrate.bos, self.calibrate.tokens, activations)

    def _read(self, kind: str, block: Block) -> Tensor:
        """Return what is stored of the neurons of a block, `[n, rows, ...]`."""
        table = self.tables.table(kind, block.layer)
        stored = self._columns.read(table, block.neurons)
        if stored is None:
            if kind == SAMPLE:
                self.prepare([block], truth=False)
            else:
                self.prepare_truth([block], calibrate=kind == CALIBRATION)
            stored = self._columns.read(table, block.neurons)
        if stored is None:
            raise self._not_read_back(kind, block.layer)
        self._count(kind, block.layer)
        return stored

    def _not_read_back(self, kind: str, layer: int) -> BenchmarkError:
        return BenchmarkError(
            f"what was measured of layer {layer} ({kind}) cannot be read back from "
            f"'{self.cache.folder}'; check the disk, or choose another folder with cache_dir=..."
        )


def _units_by_layer(blocks: Sequence[Block]) -> dict[int, Int[Tensor, " n"]]:
    layers: dict[int, list[Tensor]] = {}
    for block in blocks:
        layers.setdefault(block.layer, []).append(block.neurons)
    return {layer: torch.cat(some).unique() for layer, some in layers.items()}


def _profile_from(tensors: Mapping[str, Tensor]) -> LayerProfile:
    measured = {name: tensor for name, tensor in tensors.items() if name != "n_tokens"}
    return LayerProfile(**measured, n_tokens=int(tensors["n_tokens"]))
