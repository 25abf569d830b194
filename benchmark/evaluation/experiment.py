"""Everything a run needs before an explainer is asked: subject, corpus, neurons, blocks."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmark.config.run_config import RunConfig, listed_neurons
from benchmark.corpus import Corpus, load_corpus
from benchmark.errors import BenchmarkError
from benchmark.evidence import (
    DEAD_MEANS,
    Block,
    EvidenceSettings,
    EvidenceStore,
    Selection,
    draw_neurons,
    draw_order,
)
from benchmark.files.cache_folder import user_cache_folder
from benchmark.files.tensor_cache import TensorCache
from benchmark.interface import ExplainText, Scorer, SubjectModel
from benchmark.llm.handing import MakeModel
from benchmark.plugins.handed import handed
from benchmark.scorers.chosen import added_scorers, check_subject, own_scorers, scorers_of

if TYPE_CHECKING:
    from benchmark.subject import Subject


@dataclass
class Experiment:
    """One subject on one corpus with the neurons of a run.

    Attributes:
        sampled: whether activations on the sample are wanted; without them none are captured.
        trust: language models that may be asked although a record names them; None where the
            user named them all.
        make_model: makes other language models for scorers, such as some that only count.
    """

    config: RunConfig
    subject: Subject
    corpus: Corpus
    store: EvidenceStore
    layers: list[int]
    sampled: bool = True
    trust: Collection[str] | None = None
    make_model: MakeModel | None = None
    _selections: list[Selection] | None = field(default=None, repr=False)

    def selections(self) -> list[Selection]:
        """Return the neurons of each layer; needs the profiles, so it may run the subject."""
        if self._selections is None:
            self._selections = self._select()
        return self._selections

    def _select(self) -> list[Selection]:
        neurons = self.config.neurons
        kept = self.config.storage.neurons is None and self.sampled
        # Of all layers in one pass, which also keeps what is likely to be asked for.
        self.store.profiles(self.layers, keep=self.likely_neurons() if kept else None)
        dead = {layer: self.store.dead_neurons(layer) for layer in self.layers}
        if neurons.list is None:
            per_layer = neurons.per_layer
            return [
                draw_neurons(dead[layer], layer, per_layer, self._draw_key) for layer in self.layers
            ]
        listed = self.likely_neurons()
        return [Selection(layer, listed[layer], dead[layer]) for layer in self.layers]

    def likely_neurons(self) -> dict[int, Tensor]:
        """Return the neurons that a run is about if few of them are dead, ascending.

        Those that are listed; or of each layer the first in the order of the draw, and some more
        instead of dead ones.
        """
        neurons = self.config.neurons
        if neurons.list is not None:
            pairs = listed_neurons(neurons.list)
            return {
                layer: torch.tensor([neuron for at, neuron in pairs if at == layer])
                for layer in self.layers
            }
        likely = {}
        for layer in self.layers:
            n_units = self.subject.n_units(layer)
            order = torch.from_numpy(draw_order(n_units, layer, self._draw_key))
            likely[layer] = order[: neurons.likely(n_units)].sort().values
        return likely

    @property
    def _draw_key(self) -> str:
        seed = self.config.neurons.seed
        return f"{self.subject.fingerprint}:{self.corpus.fingerprint}:{seed}"

    @functools.cached_property
    def scorers(self) -> list[Scorer]:
        """Return what measures this run; classes that its configuration names are imported.

        Raises:
            BenchmarkError: a scorer cannot be made, or cannot score this subject.
        """
        found = scorers_of(self.config)
        for one in added_scorers(found):
            one.give_model(self.config.llm, cache_folder(self.config), self.trust, self.make_model)
        check_subject(added_scorers(found), self.handed_subject)
        return found

    @functools.cached_property
    def handed_subject(self) -> SubjectModel:
        """Return the subject as this run's explainer is handed it."""
        return handed(self.subject)

    def explain_text(self) -> ExplainText:
        """Return what an explainer may read of the corpus: the `explain` split and nothing else."""
        contexts = self.corpus.splits["explain"]
        # A copy, because the corpus is shared with the runs that follow.
        return ExplainText(
            contexts.tokens.clone(),
            contexts.bos,
            self.handed_subject.tokenizer,
            self.subject.d_vocab,
        )

    def blocks(self) -> list[Block]:
        """Return the neurons in blocks of at most `neurons.block_size` of one layer."""
        neurons = [(selection.layer, selection.neurons) for selection in self.selections()]
        blocks = cut_blocks(neurons, self.config.neurons.block_size)
        if not blocks:
            raise BenchmarkError(
                f"every neuron of layers {self.layers} is dead on corpus '{self.corpus.name}': "
                f"{DEAD_MEANS}. Take other layers or more text."
            )
        return blocks


def open_experiment(config: RunConfig) -> Experiment:
    """Load subject and corpus and check every number of the configuration against them.

    Raises:
        BenchmarkError: for a layer, a neuron or a context length that the subject does not have.
    """
    subject = open_subject(config)
    subject.limit_batch(config.batch_tokens)
    check_subject(own_scorers(config), subject)
    if config.context_length > subject.n_ctx:
        raise BenchmarkError(
            f"context_length={config.context_length} is longer than the {subject.n_ctx} tokens "
            f"that subject '{subject.name}' can read; the largest is {subject.n_ctx}."
        )
    layers = _layers(config, subject)
    cache = TensorCache(cache_folder(config), writes=not config.dry_run)
    corpus = open_corpus(config, subject)
    settings = EvidenceSettings(
        **asdict(config.contexts),
        firing=config.firing_threshold,
        firing_reference=config.firing_reference,
        storage=config.storage.dtype,
        seed=config.seed,
    )
    store = EvidenceStore(subject, corpus, settings, cache)
    return Experiment(config, subject, corpus, store, layers)


def cut_blocks(neurons: Iterable[tuple[int, Tensor | Sequence[int]]], size: int) -> list[Block]:
    """Cut neurons into blocks of at most `size` neurons of one layer, numbered in their order.

    What is saved of an unfinished run and what is cached of a block depend on where it is cut.

    Args:
        neurons: each layer with its neurons.
        size: `neurons.block_size` of the run.
    """
    parts = [(layer, part) for layer, some in neurons for part in torch.as_tensor(some).split(size)]
    whole = [(layer, part) for layer, part in parts if len(part)]
    return [Block(number, layer, part) for number, (layer, part) in enumerate(whole)]


def open_subject(config: RunConfig) -> Subject:
    """Load the subject of a configuration; the last one is kept.

    Raises:
        BenchmarkError: it cannot be loaded.
    """
    return _subject(_key(config.model), config.device, config.dtype, _key(config.unit))


def open_corpus(config: RunConfig, subject: Subject) -> Corpus:
    """Load the corpus of a configuration as a subject reads it; the last one is kept.

    Raises:
        BenchmarkError: it cannot be loaded.
    """
    folder, writes = cache_folder(config), not config.dry_run
    return _corpus(_key(config.dataset), subject, config.context_length, folder, writes)


def cache_folder(config: RunConfig) -> Path:
    """Return the folder where the runs of a configuration keep activations."""
    return cache_at(config.cache_dir)


def cache_at(folder: str | None) -> Path:
    """Return a cache folder that was named; the user's own where none was."""
    if folder is not None:
        return Path(folder).expanduser()
    return user_cache_folder()


def _layers(config: RunConfig, subject: Subject) -> list[int]:
    from benchmark.subject.units import layers_with_units

    pairs = [] if config.neurons.list is None else listed_neurons(config.neurons.list)
    known = layers_with_units(subject.units, subject.n_layers)
    layers = known if config.neurons.layers is None else sorted(set(config.neurons.layers))
    if pairs:
        layers = sorted({layer for layer, _ in pairs})
    for layer in layers:
        if not 0 <= layer < subject.n_layers:
            raise BenchmarkError(
                f"layer {layer} does not exist: subject '{subject.name}' has layers 0 to "
                f"{subject.n_layers - 1}."
            )
        if layer not in known:
            raise BenchmarkError(
                f"layer {layer} of subject '{subject.name}' has no units of kind "
                f"'{subject.units.kind}'; layers {known} have."
            )
    for layer, neuron in pairs:
        if not 0 <= neuron < subject.n_units(layer):
            raise BenchmarkError(
                f"neuron {layer}.{neuron} does not exist: layer {layer} of subject "
                f"'{subject.name}' has neurons 0 to {subject.n_units(layer) - 1}."
            )
    if not layers:
        raise BenchmarkError("neurons.layers is empty; name layers such as [0,3] or leave it out.")
    return layers


# A sweep over explainers meets the same subject and corpus again and again: the last are kept.


def _key(group: Mapping[str, Any]) -> str:
    return json.dumps(group, sort_keys=True)


@functools.lru_cache(maxsize=1)
def _subject(model: str, device: str | None, dtype: str, unit: str) -> Subject:
    from benchmark.subject import load_subject

    return load_subject(json.loads(model), device=device, dtype=dtype, unit=json.loads(unit))


@functools.lru_cache(maxsize=1)
def _corpus(
    dataset: str, subject: Subject, context_length: int, folder: Path, writes: bool
) -> Corpus:
    cache = TensorCache(folder, writes=writes)
    return corpus_for(subject, json.loads(dataset), context_length, cache)


def corpus_for(
    subject: Subject, dataset: Mapping[str, Any], context_length: int, cache: TensorCache
) -> Corpus:
    """Load a corpus as a subject reads it; token ids are kept in a cache."""
    return load_corpus(
        dataset,
        subject.tokenizer,
        bos=subject.bos,
        context_length=context_length,
        cache=cache,
        tokenizer_fingerprint=subject.tokenizer_fingerprint,
    )
