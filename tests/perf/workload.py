"""The workload of the items: the built-in subject and its corpus, or something tiny."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.corpus import Contexts, Corpus, load_corpus
from benchmark.evidence import Block, EvidenceSettings, EvidenceStore, draw_neurons
from benchmark.evidence.settings import draw_rows
from benchmark.files.tensor_cache import TensorCache
from benchmark.interface import Evidence
from benchmark.subject import Subject, load_subject

EXEMPLARS = 20


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        contexts: contexts of the evidence pass.
        neurons: neurons that are simulated and scored.
        tokens: tokens that they are simulated and scored on.
        documents: documents to tokenise, None for all.
        captured: contexts of the explain split that are captured, and half as many held-out ones.
    """

    contexts: int = 256
    neurons: int = 256
    tokens: int = 1 << 17
    documents: int | None = None
    captured: int = 4096


class Workload:
    """A subject and a corpus, loaded when an item first asks for them."""

    context_length = 128
    sizes = Sizes()

    def __init__(self, folder: Path) -> None:
        """Use a folder for whatever must lie on a disk."""
        self.folder = folder
        self.model: dict[str, Any] = {
            "name": "solu-tiny",
            "kind": "builtin",
            "source": "solu_tiny",
        }
        self.dataset: dict[str, Any] = {"name": "stdlib", "kind": "stdlib"}
        self.overrides = ["explainer=token_lookup", "model=solu-tiny"]

    @cached_property
    def subject(self) -> Subject:
        """The subject, on the CPU."""
        return load_subject(self.model, device="cpu")

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus in contexts of `context_length`."""
        return load_corpus(
            self.dataset,
            self.subject.tokenizer,
            bos=self.subject.bos,
            context_length=self.context_length,
        )

    @cached_property
    def explain(self) -> Contexts:
        """Contexts of the explain split, drawn as a run draws them."""
        contexts = self.corpus.splits["explain"]
        return contexts.select(draw_rows(len(contexts), self.sizes.contexts, 0, "explain"))

    @cached_property
    def evidence(self) -> list[Evidence]:
        """Of every layer a block of living neurons with their exemplars, as a run gathers it."""
        sizes = self.sizes
        settings = EvidenceSettings(
            explain=sizes.contexts, sample=1, held_out=1, uniform=1, top=1, exemplars=EXEMPLARS
        )
        cache = TensorCache(self.folder / "cache")
        store = EvidenceStore(self.subject, self.corpus, settings, cache)
        layers = list(range(self.subject.n_layers))
        blocks = []
        store.profiles(layers)  # in one pass
        for layer in layers:
            dead = store.dead_neurons(layer)
            neurons = draw_neurons(dead, layer, sizes.neurons, "perf").neurons
            blocks.append(Block(layer, layer, neurons))
        store.prepare(blocks)
        return [store.evidence(block).without_sample() for block in blocks]


class TinyWorkload(Workload):
    """A random subject and random text: everything runs in a moment, and means nothing."""

    context_length = 8
    sizes = Sizes(contexts=20, neurons=3, tokens=200, documents=5, captured=8)
    n_texts = 60

    def __init__(self, folder: Path) -> None:
        """Write the subject and the text."""
        from tests.subject.checkpoints import D_VOCAB, builtin_folder

        super().__init__(folder)
        model, texts = builtin_folder(folder / "tiny"), folder / "texts"
        texts.mkdir()
        rng = random.Random(0)
        for number in range(self.n_texts):
            words = (f"word{rng.randrange(2, D_VOCAB)}" for _ in range(30))
            (texts / f"{number}.txt").write_text(" ".join(words))
        self.model = {"name": "tiny", "kind": "local", "source": str(model)}
        self.dataset = {"name": "texts", "kind": "text", "path": str(texts)}
        self.overrides = [
            "explainer=token_lookup",
            "model=local",
            f"model.source={model}",
            "dataset=text",
            f"dataset.path={texts}",
            f"context_length={self.context_length}",
            "neurons.per_layer=2",
        ]
