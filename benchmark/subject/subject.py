"""The subject of a benchmark: a language model and what its neurons do on given tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError, is_out_of_memory
from benchmark.subject.batching import BatchSize, rows_by_length
from benchmark.subject.checks import (
    checked_layer,
    checked_neurons,
    checked_rows,
    checked_stems,
    checked_tokens,
)
from benchmark.subject.last_positions import from_stems, last_position, pairs_of, worth_it
from benchmark.subject.output_weights import output_norms
from benchmark.subject.prefix_cache import Stems
from benchmark.subject.site import Sites

Found = TypeVar("Found")


class Subject:
    """A loaded language model; make one with `load_subject`.

    Attributes:
        name: the subject's name, from its config.
        source: the repository or folder it was loaded from.
        revision: the commit of the repository, or None for a folder.
        site: the tensor that counts as the neuron, `{layer}` standing for the layer.
        n_layers, n_ctx, d_vocab, d_mlp: numbers of layers, positions, token ids and neurons.
        bos: the token id that starts every context.
        tokenizer: the fast tokenizer.
        device, dtype: where the model is and in which precision it runs.
        fingerprint: SHA-256 of everything that determines the activations (not the device).
        tokenizer_fingerprint: SHA-256 of everything that determines the token ids.
        tokens_run: how many tokens the subject has been asked for since it was loaded.
        calls_run: how many forward passes that took.
        model: the TransformerBridge; it shares its weights with the module that is run.
        has_unembedding: whether it can say which tokens follow; activations do not need it.

    Raises:
        BenchmarkError: it is asked about tokens, a layer or neurons that it does not have.

    Example:
        >>> import torch
        >>> import benchmark
        >>> subject = benchmark.load_subject("planted", device="cpu")
        >>> tokens = torch.tensor([[subject.bos, 5, 6]])
        >>> tuple(subject.activations(tokens, 0, [1, 8]).shape)  # [batch, pos, n], raw units
        (1, 3, 2)
    """

    def __init__(
        self,
        *,
        name: str,
        source: str,
        revision: str | None,
        site: str,
        sites: Sites,
        n_ctx: int,
        d_vocab: int,
        d_mlp: int,
        bos: int,
        tokenizer: Any,
        device: torch.device,
        dtype: torch.dtype,
        batch_tokens: int,
        fingerprint: str,
        tokenizer_fingerprint: str,
        model: Any,
        has_unembedding: bool = True,
    ) -> None:
        self.name = name
        self.source = source
        self.revision = revision
        self.site = site
        self.n_layers = len(sites.modules)
        self.n_ctx = n_ctx
        self.d_vocab = d_vocab
        self.d_mlp = d_mlp
        self.bos = bos
        self.tokenizer = tokenizer
        self.device = device
        self.dtype = dtype
        self.fingerprint = fingerprint
        self.tokenizer_fingerprint = tokenizer_fingerprint
        self.tokens_run = 0
        self.calls_run = 0
        self.model = model
        self.has_unembedding = has_unembedding
        self._sites = sites
        self._automatic = self._batch_size = BatchSize(batch_tokens)

    @property
    def batch_tokens(self) -> int:
        """How many tokens run at once; it halves when memory runs out."""
        return self._batch_size.tokens

    def limit_batch(self, tokens: int | None) -> None:
        """Run at most this many tokens at once; None goes back to what was found automatically.

        A single context runs whole, however long it is.

        Raises:
            BenchmarkError: the number is not positive.
        """
        if tokens is not None and tokens < 1:
            raise BenchmarkError(f"batch_tokens={tokens} must be at least 1.")
        self._batch_size = self._automatic if tokens is None else BatchSize(tokens)

    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        neurons: Int[Tensor, " n"] | Sequence[int] | None = None,
    ) -> Float[Tensor, "batch pos n"]:
        """True activations of some neurons of a layer (all of them by default).

        Args:
            tokens: token ids, `[batch, pos]`; no padding, at most `n_ctx` positions.
            layer: runs nothing above it.
            neurons: indices in the layer, in the order wanted; may repeat.

        Returns:
            Raw activations as float32 on the subject's device, `[batch, pos, n]`.

        Raises:
            BenchmarkError: tokens, layer or neurons are not the subject's, or memory ran out.
        """
        tokens = checked_tokens(tokens, self.n_ctx, self.d_vocab, self.name)
        layer = checked_layer(layer, self.n_layers, self.name)
        wanted = checked_neurons(neurons, self.d_mlp, self.name, self.device)
        n = self.d_mlp if wanted is None else len(wanted)
        result = self._room_for(*tokens.shape, n)
        for rows, found in self._run(tokens, [layer], _taker(wanted)):
            result[rows] = found[layer]
        return result

    def activations_of(
        self,
        sequences: Sequence[Int[Tensor, " pos"]],
        layer: int,
        neurons: Int[Tensor, " n"] | Sequence[int] | None = None,
    ) -> list[Float[Tensor, "pos n"]]:
        """Activations on sequences of different lengths, in the order given, `[pos, n]` each.

        Sequences of one length run together, unpadded, so each result is what the sequence gives
        alone. Raises as `activations` does.
        """
        results: list[Tensor | None] = [None] * len(sequences)
        for row, sequence in enumerate(sequences):
            if not isinstance(sequence, Tensor) or sequence.ndim != 1:
                raise BenchmarkError(f"sequence {row} is not a one-dimensional tensor of token ids")
        for rows in rows_by_length(sequences).values():
            together = torch.stack([sequences[row] for row in rows])
            for row, found in zip(rows, self.activations(together, layer, neurons), strict=True):
                results[row] = found
        return [found for found in results if found is not None]

    def last_activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        rows: Int[Tensor, " pairs"],
        neurons: Int[Tensor, " pairs"],
        stems: Stems | None = None,
    ) -> Float[Tensor, " pairs"]:
        """Activations at the last position of each context, for chosen neurons of each.

        Much less is kept than by `activations`: a number for a pair of a context and a neuron.

        Args:
            tokens: token ids, `[batch, pos]`; no padding, at most `n_ctx` positions.
            layer: runs nothing above it.
            rows: for each pair, the row of `tokens`.
            neurons: for each pair, the neuron's index in the layer.
            stems: what the contexts have in common; it is run once where that is cheaper and the
                architecture allows it, and changes nothing but rounding.

        Returns:
            Raw activations as float32 on the subject's device, `[pairs]`.

        Raises:
            BenchmarkError: as `activations`; also for a row that is not there, and for contexts
                that do not begin as their stems.
        """
        tokens = checked_tokens(tokens, self.n_ctx, self.d_vocab, self.name)
        layer = checked_layer(layer, self.n_layers, self.name)
        wanted = checked_neurons(neurons, self.d_mlp, self.name, self.device)
        rows = checked_rows(rows, len(tokens), neurons)
        if stems is not None:
            stems = checked_stems(stems, tokens, self.n_ctx, self.d_vocab, self.name)
        result = self._room_for(len(rows))
        if wanted is None or not len(rows):
            return result
        if tokens.shape[1] == 0:
            raise BenchmarkError("a context of no tokens has no last position")
        rows, order = rows.cpu().sort(stable=True)
        bounds = np.searchsorted(rows.numpy(), np.arange(len(tokens) + 1))
        wanted = wanted[order.to(self.device)]
        for contexts, found in self._last_positions(tokens, layer, stems):
            pairs, places = (
                torch.from_numpy(ids).to(self.device) for ids in pairs_of(contexts, bounds)
            )
            result[order.to(self.device)[pairs]] = found[places, wanted[pairs]]
        return result

    def _last_positions(
        self, tokens: Tensor, layer: int, stems: Stems | None
    ) -> Iterator[tuple[Int[np.ndarray, " rows"], Float[Tensor, "rows d_mlp"]]]:
        """All neurons at the last position, batch by batch, and which contexts they are of."""
        sites, batch = self._sites, self._batch_size
        if (
            stems is not None
            and sites.key_values is not None
            and worth_it(stems, tokens.shape[1], batch.tokens, self.device)
        ):
            yield from from_stems(self, sites, sites.key_values, tokens, layer, stems, batch)
            return
        for rows, found in self._batches(
            tokens, batch, lambda part: sites.read(part, [layer], last_position, last=True)[layer]
        ):
            yield np.arange(rows.start, rows.stop), found

    def likely_next(self, tokens: Int[Tensor, "batch pos"], k: int) -> Int[Tensor, "batch pos k"]:
        """The token ids that the subject finds likeliest after each position, likeliest first.

        The one thing that runs the whole model and its unembedding. Its tokens are counted as
        those of every other call.

        Raises:
            BenchmarkError: the checkpoint has no unembedding, bad tokens, or memory ran out.
        """
        if not self.has_unembedding:
            raise BenchmarkError(
                f"the checkpoint of subject '{self.name}' has no unembedding, so it cannot say "
                "which tokens are likely next; use a checkpoint that was saved with its head for "
                "language modelling."
            )
        tokens = checked_tokens(tokens, self.n_ctx, self.d_vocab, self.name)
        k = min(k, self.d_vocab)
        result = torch.empty(*tokens.shape, k, dtype=torch.long, device=self.device)
        if result.numel() == 0:
            return result

        def read(part: Tensor) -> Tensor:
            with torch.no_grad():
                output = self._sites.model(part, **self._sites.call)
            logits = output if isinstance(output, Tensor) else output.logits
            return logits[..., : self.d_vocab].topk(k).indices

        for rows, found in self._batches(tokens, self._batch_size, read):
            result[rows] = found
        return result

    def output_norms(self, layer: int) -> Float[Tensor, " d_mlp"]:
        """Return the length of what each neuron writes for an activation of one, `[d_mlp]`, on CPU.

        Norms are folded into it, but for the scale that they divide by, so it compares neurons of
        a layer. It is one for every neuron where output weights are not known; see
        `benchmark.subject.output_weights`. No text is run.

        Raises:
            BenchmarkError: the subject has no such layer.
        """
        return output_norms(self, checked_layer(layer, self.n_layers, self.name))

    def stream(
        self, tokens: Int[Tensor, "n ctx"], layers: Sequence[int]
    ) -> Iterator[tuple[slice, dict[int, Float[Tensor, "b ctx d_mlp"]]]]:
        """All neurons of several layers, batch by batch, from one forward pass.

        Memory is that of one batch. Nothing runs above the highest layer.

        Yields:
            The rows of `tokens` that the batch holds, and for each layer its activations as
            float32 on the subject's device, `[b, ctx, d_mlp]`. Use them before the next batch.

        Raises:
            BenchmarkError: as `activations`; bad tokens or layers at once, not at the first batch.
        """
        tokens = checked_tokens(tokens, self.n_ctx, self.d_vocab, self.name)
        wanted = [checked_layer(layer, self.n_layers, self.name) for layer in layers]
        if not wanted:
            raise BenchmarkError("stream needs at least one layer")
        return self._run(tokens, wanted, _taker(None))

    def _room_for(self, *shape: int) -> Tensor:
        try:
            return torch.empty(shape, device=self.device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise BenchmarkError(
                f"out of memory: activations of shape {list(shape)} do not fit on {self.device}. "
                "Ask for fewer neurons or fewer contexts at a time."
            ) from error

    def _run(
        self,
        tokens: Tensor,
        layers: Collection[int],
        take: Callable[[Tensor], Tensor],
    ) -> Iterator[tuple[slice, dict[int, Tensor]]]:
        """What `take` keeps of each layer's activations, batch by batch."""
        return self._batches(
            tokens, self._batch_size, lambda part: self._sites.read(part, layers, take)
        )

    def _batches(
        self, tokens: Tensor, batch: BatchSize, read: Callable[[Tensor], Found]
    ) -> Iterator[tuple[slice, Found]]:
        """`read` of batch after batch of tokens."""
        n_contexts, n_positions = tokens.shape
        return self.in_batches(
            n_contexts, n_positions, batch, lambda rows: read(tokens[rows].to(self.device))
        )

    def in_batches(
        self, n_contexts: int, n_positions: int, batch: BatchSize, read: Callable[[slice], Found]
    ) -> Iterator[tuple[slice, Found]]:
        """`read` of batch after batch of rows, each a pass of the subject over its contexts.

        A batch is halved when memory runs out, and everything is counted.

        Raises:
            BenchmarkError: not even one context fits.
        """
        if n_positions == 0:
            return
        row = 0
        while row < n_contexts:
            size = min(batch.contexts(n_positions), n_contexts - row)
            rows = slice(row, row + size)
            found = None
            try:
                found = read(rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if found is None:
                # Out of the except clause, whose traceback kept the failed batch's tensors alive.
                batch.shrink(size, n_positions)
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            self.tokens_run += size * n_positions
            self.calls_run += 1
            yield rows, found
            row += size


def _taker(neurons: Tensor | None) -> Callable[[Tensor], Tensor]:
    """What is kept of a layer's activations, as float32."""
    if neurons is None:
        return lambda activations: activations.float()
    return lambda activations: activations.index_select(-1, neurons).float()
