"""Capturing evidence and truth of neurons against a bare forward over the same text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmark.evidence import Block, EvidenceSettings, EvidenceStore
from benchmark.files.tensor_cache import TensorCache
from benchmark.subject.native import plain_native
from benchmark.subject.packed_linear import pack_linears
from tests.perf.comparison import Comparison
from tests.perf.items.evidence import bare_forward
from tests.perf.workload import Workload

# In the proportions of a run: half of one split is the sample, half of the other is scored.
HELD_OUT = 0.5
SAMPLED = 0.5


def of_every_layer(
    per_layer: int | None, workload: Workload, *, packed: bool = False
) -> Comparison:
    """So many neurons of each layer, or all: one pass over each split, files written.

    With `packed` the bare forward multiplies by packed weights as well, where the subject does.
    """
    subject, n = workload.subject, workload.sizes.captured
    held_out = max(1, int(HELD_OUT * n))
    settings = EvidenceSettings(
        explain=n,
        sample=max(1, int(SAMPLED * n)),
        held_out=held_out,
        uniform=max(1, int(SAMPLED * held_out)),
        calibrate=1,
    )
    blocks = [
        Block(layer, layer, torch.arange(min(per_layer or 10**9, subject.n_units(layer))))
        for layer in range(subject.n_layers)
    ]
    numbers = itertools.count()

    def capture() -> None:
        with TemporaryDirectory(dir=workload.folder) as folder:
            cache = TensorCache(Path(folder, str(next(numbers))))
            EvidenceStore(subject, workload.corpus, settings, cache).prepare(blocks)

    model = plain_native(subject.model)
    if packed:
        pack_linears(model)
    last = model.get_submodule(f"layers.{subject.n_layers - 1}.mlp.ln")
    batch = max(1, subject.batch_tokens // workload.context_length)

    def forward() -> None:
        for tokens in _text(workload, settings):
            bare_forward(model, last, tokens, batch)

    return Comparison(capture, forward)


def _text(workload: Workload, settings: EvidenceSettings) -> Iterator[torch.Tensor]:
    with TemporaryDirectory(dir=workload.folder) as folder:
        store = EvidenceStore(
            workload.subject, workload.corpus, settings, TensorCache(Path(folder))
        )
    yield store.explain.tokens
    yield store.held_out.tokens
