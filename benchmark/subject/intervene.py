"""What a subject would say if neurons of one layer had other activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.subject.batching import BatchSize
from benchmark.subject.checks import checked_layer, checked_tokens
from benchmark.subject.replay import Replay
from benchmark.subject.site import Outward

if TYPE_CHECKING:
    from benchmark.subject.subject import Subject

# Logits that exist at once. On CPU more would only leave the processor's caches.
CPU_LOGITS = 1 << 23
CUDA_LOGITS = 1 << 28


class Intervention:
    """Some contexts, run up to the neurons of a layer once and continued with others there.

    Nothing below the neurons is computed again; see `benchmark.subject.replay`. The tokens of every
    continuation are counted as the subject's.

    Args:
        subject: the language model.
        tokens: token ids, `[batch, pos]`; they run at once, see `contexts_at_once`.
        layer: the neurons' layer.

    Attributes:
        activations: all neurons of the layer as they are, raw units, float32 on the subject's
            device, `[batch, pos, d_mlp]`.

    Raises:
        BenchmarkError: bad tokens or layer, no output distribution, or memory ran out.
    """

    def __init__(self, subject: Subject, tokens: Int[Tensor, "batch pos"], layer: int) -> None:
        self._subject = subject
        tokens = checked_tokens(tokens, subject.n_ctx, subject.d_vocab, subject.name)
        self._layer = checked_layer(layer, subject.n_layers, subject.name)
        n_contexts, self._n_positions = tokens.shape
        sites, blocks = subject._sites, outward_of(subject).blocks
        whole = BatchSize(max(1, tokens.numel()))

        def record(_: slice) -> Replay:
            return Replay(
                sites.model,
                blocks,
                sites.modules[self._layer],
                self._layer,
                tokens.to(subject.device),
                sites.call,
            )

        runs = subject.in_batches(n_contexts, self._n_positions, whole, record)
        found = [replay for _, replay in runs]
        if len(found) != 1:
            raise BenchmarkError(
                f"out of memory: {n_contexts} contexts do not fit at once; give fewer."
            )
        self._replay = found[0]
        self._batch = BatchSize(contexts_at_once(subject, self._n_positions) * self._n_positions)

    @property
    def activations(self) -> Float[Tensor, "batch pos d_mlp"]:
        """All neurons of the layer as they are."""
        activations: Tensor = self._replay.activations.float()
        return activations

    def logits(
        self,
        rows: Int[Tensor, " r"],
        neurons: Int[Tensor, "r k"] | None = None,
        values: Float[Tensor, "r pos k"] | None = None,
    ) -> Iterator[tuple[slice, Float[Tensor, "b pos d_vocab"]]]:
        """The subject's logits with some neurons replaced, batch by batch of `rows`.

        Args:
            rows: which of the contexts; the same one may be asked for with many replacements.
            neurons: for each of `rows`, the indices of the neurons that are replaced, all distinct;
                None replaces none.
            values: what they are replaced by, raw units.

        Yields:
            A slice of `rows` and its logits on the subject's device, in its precision.

        Raises:
            BenchmarkError: not even one context fits into memory.
        """
        device, d_vocab = self._subject.device, self._subject.d_vocab
        rows = rows.to(device)

        def read(part: slice) -> Tensor:
            activations = self._replay.activations[rows[part]]
            if neurons is not None and values is not None:
                columns = neurons[part].to(device)[:, None, :]
                new = values[part].to(device, activations.dtype)
                activations.scatter_(2, columns.expand(-1, new.shape[1], -1), new)
            logits: Tensor = self._replay.continued(rows[part], activations)[..., :d_vocab]
            return logits

        yield from self._subject.in_batches(len(rows), self._n_positions, self._batch, read)


def contexts_at_once(subject: Subject, n_positions: int) -> int:
    """How many contexts of this length are continued at once: their logits have to fit."""
    logits = CUDA_LOGITS if subject.device.type == "cuda" else CPU_LOGITS
    tokens = min(subject.batch_tokens, max(1, logits // subject.d_vocab))
    return max(1, tokens // max(1, n_positions))


def outward_of(subject: Subject) -> Outward:
    """The modules from the neurons of a subject to its logits.

    Raises:
        BenchmarkError: the subject has no output distribution.
    """
    check_outputs(subject, "what neurons do to the output")
    assert subject._sites.outward is not None
    return subject._sites.outward


def check_outputs(subject: Subject, purpose: str) -> None:
    """Check that a subject's output follows from its neurons.

    Raises:
        BenchmarkError: it does not; the message names `purpose`, what needs it.
    """
    if subject._sites.without_outputs is not None:
        raise BenchmarkError(
            f"{purpose} needs a language model with an output distribution, and subject "
            f"'{subject.name}' has none: {subject._sites.without_outputs}."
        )


def check_continuations(subject: Subject) -> None:
    """Check on a few tokens that continuing from each layer gives what a whole pass gives.

    An architecture that does more between its blocks than hand on the residual stream is found
    out here, before it would give wrong numbers.

    Raises:
        BenchmarkError: it does not, or the subject has no output distribution.
    """
    check_outputs(subject, "metrics=causal")
    tokens = torch.tensor([[subject.bos, 1, 2, 3], [subject.bos, 4, 5, 6]]) % subject.d_vocab
    tokens = tokens[:, : subject.n_ctx].to(subject.device)
    sites = subject._sites
    before = subject.tokens_run, subject.calls_run
    with torch.no_grad():
        output = sites.model(tokens, **sites.call)
    expected = output if isinstance(output, Tensor) else output.logits
    expected = expected[..., : subject.d_vocab].float()
    tolerance = 1e-4 if subject.dtype == torch.float32 else 0.1
    swapped = torch.tensor([1, 0])
    for layer in range(subject.n_layers):
        found = Intervention(subject, tokens, layer)
        parts = [logits.float() for _, logits in found.logits(swapped)]
        difference = float((torch.cat(parts) - expected[swapped]).abs().max())
        if not difference <= tolerance * float(expected.abs().max()):
            raise BenchmarkError(
                f"the output of '{subject.name}' continued from layer {layer} is off by "
                f"{difference:.3g}: replacing neurons is not supported for this architecture."
            )
    subject.tokens_run, subject.calls_run = before
