"""Interventions: a subject's logits when units of one layer have other activations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.subject.batching import BatchSize
from benchmark.subject.checks import checked_layer, checked_tokens
from benchmark.subject.output_path import OutputPath
from benchmark.subject.replay import Replay
from benchmark.subject.units import layers_with_units

if TYPE_CHECKING:
    from benchmark.subject.subject import Subject

# Logits that exist at once. On CPU more would only leave the processor's caches.
CPU_LOGITS = 1 << 23
CUDA_LOGITS = 1 << 28


class Intervention:
    """Some contexts, run up to the site of a layer once and continued with replaced units there.

    Nothing below the site is computed again; see `benchmark.subject.replay`. The tokens of every
    continuation are counted as the subject's.

    Args:
        subject: the language model.
        tokens: token ids, `[batch, pos]`; they run at once, see `contexts_at_once`.
        layer: the units' layer.

    Raises:
        BenchmarkError: bad tokens or layer, no output distribution, or memory ran out.
    """

    def __init__(self, subject: Subject, tokens: Int[Tensor, "batch pos"], layer: int) -> None:
        self._subject = subject
        tokens = checked_tokens(tokens, subject.n_ctx, subject.d_vocab, subject.name)
        self._layer = checked_layer(layer, subject.n_layers, subject.name)
        n_contexts, self._n_positions = tokens.shape
        reader, blocks = subject.reader, output_path_of(subject).blocks
        whole = BatchSize(max(1, tokens.numel()))

        def record(_: slice) -> Replay:
            return Replay(
                reader.model,
                blocks,
                reader.units.hook_point(self._layer),
                self._layer,
                tokens.to(subject.device),
                reader.call,
            )

        runs = subject.passes.in_batches(n_contexts, self._n_positions, whole, record)
        replays = [replay for _, replay in runs]
        if len(replays) != 1:
            raise BenchmarkError(
                f"out of memory: {n_contexts} contexts do not fit at once; give fewer."
            )
        self._replay = replays[0]
        self._batch = BatchSize(contexts_at_once(subject, self._n_positions) * self._n_positions)

    @cached_property
    def activations(self) -> Float[Tensor, "batch pos n_units"]:
        """Return all units of the layer as they are, raw units, float32 on the subject's device."""
        with torch.no_grad():
            return self._subject.units.read(self._replay.hidden, self._layer).float()

    def logits(
        self,
        rows: Int[Tensor, " r"],
        neurons: Int[Tensor, "r k"] | None = None,
        values: Float[Tensor, "r pos k"] | None = None,
    ) -> Iterator[tuple[slice, Float[Tensor, "b pos d_vocab"]]]:
        """Yield the subject's logits with some units replaced, batch by batch of `rows`.

        Args:
            rows: which of the contexts; the same one may be given with many replacements.
            neurons: for each of `rows`, the indices of the units that are replaced, all distinct;
                None replaces none.
            values: what they are replaced by, raw units.

        Yields:
            A slice of `rows` and its logits on the subject's device, in its precision.

        Raises:
            BenchmarkError: not even one context fits into memory.
        """
        device, d_vocab = self._subject.device, self._subject.d_vocab
        units, layer = self._subject.units, self._layer
        rows = rows.to(device)

        def read(part: slice) -> Tensor:
            hidden = self._replay.hidden[rows[part]]
            if neurons is not None and values is not None:
                with torch.no_grad():
                    hidden = units.replace(
                        hidden, layer, neurons[part].to(device), values[part].to(device)
                    )
            logits: Tensor = self._replay.continued(rows[part], hidden)[..., :d_vocab]
            return logits

        yield from self._subject.passes.in_batches(len(rows), self._n_positions, self._batch, read)


def contexts_at_once(subject: Subject, n_positions: int) -> int:
    """Return how many contexts of this length are continued at once: their logits have to fit."""
    logits = CUDA_LOGITS if subject.device.type == "cuda" else CPU_LOGITS
    tokens = min(subject.batch_tokens, max(1, logits // subject.d_vocab))
    return max(1, tokens // max(1, n_positions))


def output_path_of(subject: Subject) -> OutputPath:
    """Return the modules from a subject's MLPs to its logits.

    Raises:
        BenchmarkError: the subject has no output distribution.
    """
    check_outputs(subject, "what neurons do to the output")
    assert subject.output_path is not None
    return subject.output_path


def check_outputs(subject: Subject, purpose: str) -> None:
    """Check that a subject's output follows from its units.

    Raises:
        BenchmarkError: it does not; the message names `purpose`, what needs it.
    """
    if subject.without_outputs is not None:
        raise BenchmarkError(
            f"{purpose} needs a language model with an output distribution, and subject "
            f"'{subject.name}' has none: {subject.without_outputs}."
        )


def check_continuations(subject: Subject) -> None:
    """Check on a few tokens that continuing from each layer gives what a whole pass gives.

    An architecture that does more between its blocks than hand on the residual stream is detected
    here, before it would give wrong numbers. The tokens are not counted as the subject's.

    Raises:
        BenchmarkError: it does not, or the subject has no output distribution.
    """
    check_outputs(subject, "metrics=causal")
    subject = subject.with_passes(subject.passes.uncounted())
    tokens = torch.tensor([[subject.bos, 1, 2, 3], [subject.bos, 4, 5, 6]]) % subject.d_vocab
    tokens = tokens[:, : subject.n_ctx].to(subject.device)
    expected = subject.reader.logits(tokens)[..., : subject.d_vocab].float()
    tolerance = 1e-4 if subject.dtype == torch.float32 else 0.1
    swapped = torch.tensor([1, 0])
    for layer in layers_with_units(subject.units, subject.n_layers):
        intervention = Intervention(subject, tokens, layer)
        parts = [logits.float() for _, logits in intervention.logits(swapped)]
        difference = float((torch.cat(parts) - expected[swapped]).abs().max())
        if not difference <= tolerance * float(expected.abs().max()):
            raise BenchmarkError(
                f"the output of '{subject.name}' continued from layer {layer} is off by "
                f"{difference:.3g}: replacing neurons is not supported for this architecture."
            )
