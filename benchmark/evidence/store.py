"""Evidence and truth of blocks of neurons: computed in few passes, kept on disk."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.corpus import Contexts, Corpus
from benchmark.corpus.overlap import seen_windows
from benchmark.errors import BenchmarkError
from benchmark.evidence.firing import firing_thresholds
from benchmark.evidence.gather import Request, gather
from benchmark.evidence.profile import LayerProfile, profile_layers
from benchmark.evidence.selection import dead_neurons
from benchmark.evidence.settings import EvidenceSettings, draw_rows
from benchmark.evidence.truth import (
    NOVEL_LENGTH,
    CalibrationTruth,
    Truth,
    strongest_contexts,
)
from benchmark.files.tensor_cache import Expected, TensorCache
from benchmark.interface import Evidence, Exemplars, Sample

if TYPE_CHECKING:
    from benchmark.subject import Subject

# Activations held in memory by one gathering pass; more neurons than fit take further passes.
PASS_BYTES = 384 * 2**20
# The settings that determine each kind of file, beside subject, corpus and neurons.
DETERMINED_BY = {
    "profile": ("explain", "exemplars"),
    "evidence": ("explain", "exemplars", "sample"),
    "truth": ("held_out", "uniform", "top"),
    "calibration": ("calibrate",),
}


@dataclass(frozen=True)
class Block:
    """Neurons of one layer that are explained together: the unit of work and of resuming."""

    index: int
    layer: int
    neurons: Int[Tensor, " n"]


class EvidenceStore:
    """Everything measured about one subject on one corpus under one set of settings."""

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
        seed = settings.seed

        def drawn(split: str, wanted: int | None) -> Contexts:
            contexts = corpus.splits[split]
            return contexts.select(draw_rows(len(contexts), wanted, seed, split))

        self.explain = drawn("explain", settings.explain)
        self.held_out = drawn("held_out", settings.held_out)
        self.calibrate = drawn("calibrate", settings.calibrate)
        self.sample_rows = draw_rows(len(self.explain), settings.sample, seed, "sample")
        self.uniform_rows = draw_rows(len(self.held_out), settings.uniform, seed, "uniform")
        self._common: dict[str, Any] = {
            "subject": subject.fingerprint,
            "site": subject.site,
            "dtype": str(subject.dtype),
            "corpus": corpus.fingerprint,
            "context_length": corpus.context_length,
            "seed": seed,
        }
        self._profiles: dict[int, LayerProfile] = {}

    def _key(self, kind: str, of: Block | int) -> dict[str, Any]:
        """Return what determines a file of a block, or of a layer."""
        place = (
            {"layer": of.layer, "neurons": of.neurons.tolist()}
            if isinstance(of, Block)
            else {"layer": of}
        )
        settings = {name: getattr(self.settings, name) for name in DETERMINED_BY[kind]}
        return {**self._common, **place, **settings}

    def _is_stored(self, kind: str, of: Block | int) -> bool:
        return self.cache.has(kind, self._key(kind, of))

    def _store(self, kind: str, of: Block | int, tensors: Mapping[str, Tensor]) -> None:
        self.cache.write(kind, self._key(kind, of), tensors)
        self.cache.misses += 1

    @functools.cached_property
    def novel(self) -> Bool[Tensor, "m ctx"]:
        """Return which tokens of the `uniform` set end a run that the `explain` split lacks.

        The whole split counts, also what of it no exemplar is taken from. A token with fewer than
        `NOVEL_LENGTH` tokens of its document before it in its context is not among them.
        """
        uniform = self.held_out.select(self.uniform_rows)
        complete, seen = seen_windows(uniform, self.corpus.splits["explain"], NOVEL_LENGTH)
        return complete & ~seen

    # The pass over the explain split.

    def profile_is_cached(self, layer: int) -> bool:
        """Return whether the profile of a layer is on disk."""
        return self._is_stored("profile", layer)

    def profiles(self, layers: Sequence[int]) -> Mapping[int, LayerProfile]:
        """Return profiles of all neurons of the layers, missing ones made in one pass."""
        missing = [layer for layer in layers if layer not in self._profiles]
        for layer in list(missing):
            key = self._key("profile", layer)
            stored = self.cache.read("profile", key, self._expected_profile(layer))
            if stored is not None:
                self._profiles[layer] = _profile_from(stored)
                self.cache.hits += 1
                missing.remove(layer)
        if missing:
            self.cache.check_writable()
            made = profile_layers(
                self.subject,
                self.explain,
                missing,
                min(self.settings.exemplars, len(self.explain)),
                description="explain split: exemplars and moments",
            )
            for layer, profile in made.items():
                self._store("profile", layer, _profile_to(profile))
                self._profiles[layer] = profile
        return {layer: self._profiles[layer] for layer in layers}

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

    def _expected(self, kind: str, block: Block) -> dict[str, Expected]:
        """Return the tensors that a file of a block holds."""
        n, length = len(block.neurons), self.corpus.context_length
        if kind == "evidence":
            k = self.exemplar_rows(block).shape[1]
            return {
                "sample": Expected(torch.float32, (len(self.sample_rows), length, n)),
                "exemplars": Expected(torch.float32, (n, k, length)),
            }
        if kind == "truth":
            top = min(self.settings.top, len(self.held_out))
            return {
                "top": Expected(torch.int64, (n, top), 0, len(self.held_out)),
                "top_activations": Expected(torch.float32, (n, top, length)),
                "uniform_activations": Expected(torch.float32, (n, len(self.uniform_rows), length)),
            }
        return {"activations": Expected(torch.float32, (n, len(self.calibrate), length))}

    def exemplar_rows(self, block: Block) -> Int[Tensor, "n k"]:
        """Return rows of the explain contexts that are the exemplars of each neuron of a block."""
        profile = self.profiles([block.layer])[block.layer]
        k = profile.n_exemplars
        if k == 0:
            raise BenchmarkError(
                f"layer {block.layer} has no exemplars: the explain split holds no text token."
            )
        return profile.top_contexts[block.neurons, :k]

    # Passes for chosen neurons.

    def is_cached(self, block: Block, *, calibrate: bool = False) -> bool:
        """Return whether evidence and truth of a block are on disk, as `prepare` leaves them."""
        kinds = ("evidence", "truth", *(["calibration"] if calibrate else []))
        return all(self._is_stored(kind, block) for kind in kinds)

    def prepare(self, blocks: Sequence[Block], *, calibrate: bool = False) -> None:
        """Make and store the evidence and truth that is not on disk, many blocks in one pass.

        Args:
            blocks: whose.
            calibrate: also the truth on the `calibrate` split.

        Raises:
            BenchmarkError: the `calibrate` split is wanted, and is empty.
        """
        if calibrate and not len(self.calibrate):
            raise BenchmarkError(
                "calibration needs text, and the calibrate split has no context; give it a share "
                "of the documents (dataset.fractions.calibrate), or leave calibration=none."
            )
        missing = [block for block in blocks if not self._is_stored("evidence", block)]
        self.profiles(sorted({block.layer for block in missing}))
        for group in self._to_measure(missing, len(self.sample_rows)):
            self._make_evidence(group)
        self.prepare_truth(blocks, calibrate=calibrate)

    def prepare_truth(
        self, blocks: Sequence[Block], *, calibrate: bool = False, within: Sequence[Block] = ()
    ) -> None:
        """Make and store the truth alone, as `prepare` does: what scoring needs.

        Args:
            blocks: whose.
            calibrate: also the truth on the `calibrate` split.
            within: larger blocks; a block that is a part of one on disk is cut from it, which
                gives the numbers that measuring it would give.
        """
        missing = self._not_stored("truth", blocks, within)
        for group in self._to_measure(missing, len(self.held_out)):
            self._make_truth(group)
        if calibrate:
            missing = self._not_stored("calibration", blocks, within)
            for group in self._to_measure(missing, len(self.calibrate)):
                self._make_calibration_truth(group)

    def _not_stored(
        self, kind: str, blocks: Sequence[Block], within: Sequence[Block]
    ) -> list[Block]:
        """Return the blocks neither on disk nor parts of ones that are; store such parts."""
        return [
            block
            for block in blocks
            if not self._is_stored(kind, block)
            and not any(self._cut(kind, block, whole) for whole in within)
        ]

    def _cut(self, kind: str, block: Block, whole: Block) -> bool:
        """Store what a whole block on disk holds of a part of it; False where that cannot be."""
        places = {neuron: place for place, neuron in enumerate(whole.neurons.tolist())}
        wanted = block.neurons.tolist()
        if whole.layer != block.layer or not places.keys() >= set(wanted):
            return False
        stored = self.cache.read(kind, self._key(kind, whole), self._expected(kind, whole))
        if stored is None:
            return False
        self.cache.hits += 1
        rows = torch.tensor([places[neuron] for neuron in wanted], dtype=torch.long)
        # Every tensor of these kinds has one row for each neuron.
        part = {name: found[rows] for name, found in stored.items()}
        self.cache.write(kind, self._key(kind, block), part)
        return True

    def _to_measure(self, blocks: Sequence[Block], n_contexts: int) -> Iterator[list[Block]]:
        """Yield the blocks in groups that one pass measures; first whether that could be kept."""
        if blocks:
            self.cache.check_writable()
        neuron_bytes = 4 * n_contexts * self.explain.tokens.shape[1]
        limit = max(1, PASS_BYTES // neuron_bytes)
        group: list[Block] = []
        size = 0
        for block in blocks:
            if group and size + len(block.neurons) > limit:
                yield group
                group, size = [], 0
            group.append(block)
            size += len(block.neurons)
        if group:
            yield group

    def _make_evidence(self, blocks: Sequence[Block]) -> None:
        requests = {
            block.index: Request(
                block.layer, block.neurons, self.sample_rows, self.exemplar_rows(block)
            )
            for block in blocks
        }
        gathered = gather(
            self.subject, self.explain.tokens, requests, description="explain split: evidence"
        )
        for block in blocks:
            found = gathered.pop(block.index)
            self._store("evidence", block, {"sample": found.shared, "exemplars": found.own})

    def _make_truth(self, blocks: Sequence[Block]) -> None:
        tokens = self.held_out.tokens
        for block, activations in self._everywhere(blocks, tokens, "held-out split: truth"):
            top = strongest_contexts(activations, tokens, self.held_out.bos, self.settings.top)
            neuron = torch.arange(len(block.neurons))[:, None]
            tensors = {
                "top": top,
                "top_activations": activations[top, :, neuron],
                "uniform_activations": activations[self.uniform_rows].permute(2, 0, 1),
            }
            self._store("truth", block, tensors)

    def _make_calibration_truth(self, blocks: Sequence[Block]) -> None:
        tokens = self.calibrate.tokens
        for block, activations in self._everywhere(blocks, tokens, "calibrate split: truth"):
            self._store("calibration", block, {"activations": activations.permute(2, 0, 1)})

    def _everywhere(
        self, blocks: Sequence[Block], tokens: Int[Tensor, "m ctx"], description: str
    ) -> Iterator[tuple[Block, Float[Tensor, "m ctx n"]]]:
        """Yield what the neurons of each block do on all of some contexts, from one pass."""
        everything = torch.arange(len(tokens))
        requests = {
            block.index: Request(
                block.layer,
                block.neurons,
                everything,
                torch.empty(len(block.neurons), 0, dtype=torch.long),
            )
            for block in blocks
        }
        gathered = gather(self.subject, tokens, requests, description=description)
        for block in blocks:
            yield block, gathered.pop(block.index).shared

    # What a run reads.

    def evidence(self, block: Block) -> Evidence:
        """Return the evidence of a block."""
        stored = self._read("evidence", block)
        profile = self.profiles([block.layer])[block.layer]
        rows = self.exemplar_rows(block)
        tokens = self.explain.tokens[rows]
        text = tokens != self.explain.bos
        activations = stored["exemplars"]
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
            sample=Sample(
                self.explain.tokens[self.sample_rows],
                stored["sample"],
                self.explain.documents[self.sample_rows],
            ),
        )

    def truth(self, block: Block) -> Truth:
        """Return the truth of a block on the scoring sets."""
        stored = self._read("truth", block)
        rows = torch.cat([self.uniform_rows, stored["top"].reshape(-1)]).unique(sorted=True)
        return Truth(
            bos=self.held_out.bos,
            tokens=self.held_out.tokens[rows],
            uniform=torch.searchsorted(rows, self.uniform_rows),
            top=torch.searchsorted(rows, stored["top"]),
            uniform_activations=stored["uniform_activations"],
            top_activations=stored["top_activations"],
            novel=self.novel,
            documents=self.held_out.documents[self.uniform_rows],
        )

    def calibration_truth(self, block: Block) -> CalibrationTruth:
        """Return the truth of a block on the `calibrate` split."""
        stored = self._read("calibration", block)
        return CalibrationTruth(self.calibrate.bos, self.calibrate.tokens, stored["activations"])

    def _read(self, kind: str, block: Block) -> dict[str, Tensor]:
        key, expected = self._key(kind, block), self._expected(kind, block)
        stored = self.cache.read(kind, key, expected)
        if stored is None:
            self.prepare([block], calibrate=kind == "calibration")
            stored = self.cache.read(kind, key, expected)
        elif not self.cache.was_written(kind, key):
            self.cache.hits += 1
        if stored is None:
            raise BenchmarkError(
                f"cache file {self.cache.path(kind, key)} cannot be read back after writing it; "
                "check the disk, or choose another folder with cache_dir=..."
            )
        return stored


def _profile_to(profile: LayerProfile) -> dict[str, Tensor]:
    tensors = dict(vars(profile))
    return {**tensors, "n_tokens": torch.tensor(profile.n_tokens)}


def _profile_from(tensors: Mapping[str, Tensor]) -> LayerProfile:
    measured = {name: tensor for name, tensor in tensors.items() if name != "n_tokens"}
    return LayerProfile(**measured, n_tokens=int(tensors["n_tokens"]))
