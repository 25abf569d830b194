"""Subject of a benchmark: a language model, and the activations of its units on given tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError, is_out_of_memory
from benchmark.interface import SharedPrefixes
from benchmark.subject.batching import ForwardPasses
from benchmark.subject.checks import (
    checked_layer,
    checked_neurons,
    checked_prefixes,
    checked_rows,
    checked_tokens,
)
from benchmark.subject.last_positions import last_positions, pairs_of
from benchmark.subject.output_path import OutputPath
from benchmark.subject.site_reader import SiteReader
from benchmark.subject.units import Units


@dataclass(eq=False, kw_only=True)
class Subject:
    """A loaded language model; make one with `load_subject`.

    Attributes:
        name: the subject's name, from its config.
        source: the repository or folder it was loaded from.
        revision: the commit of the repository, or None for a folder.
        fingerprint: SHA-256 of everything that determines the activations (not the device).
        n_layers, n_ctx, d_vocab: numbers of layers, positions and token ids.
        bos: the token id that starts every context.
        tokenizer: the fast tokenizer.
        tokenizer_fingerprint: SHA-256 of everything that determines the token ids.
        dtype: the precision it runs in.
        model: the TransformerBridge; it shares its weights with the module that is run.
        reader: the module that is run, and the units that are read from it.
        passes: runs batches and counts them.
        has_unembedding: whether it can say which tokens follow; activations do not need it.
        output_path: the modules from the MLPs to the logits; None where they are not known.
        without_outputs: why the output does not follow from the units; None where it does.

    Raises:
        BenchmarkError: a query names tokens, a layer or neurons that it does not have.

    Example:
        >>> import torch
        >>> import benchmark
        >>> subject = benchmark.load_subject("planted", device="cpu")
        >>> tokens = torch.tensor([[subject.bos, 5, 6]])
        >>> tuple(subject.activations(tokens, 0, [1, 8]).shape)  # [batch, pos, n], raw units
        (1, 3, 2)
    """

    name: str
    source: str
    revision: str | None
    fingerprint: str
    n_layers: int
    n_ctx: int
    d_vocab: int
    bos: int
    tokenizer: Any
    tokenizer_fingerprint: str
    dtype: torch.dtype
    model: Any
    reader: SiteReader
    passes: ForwardPasses
    has_unembedding: bool = True
    output_path: OutputPath | None = None
    without_outputs: str | None = None

    @property
    def units(self) -> Units:
        """Return what is explained."""
        return self.reader.units

    @property
    def site(self) -> str:
        """Return the name of the tensor that units are read from, with `{layer}` in it."""
        return self.units.site

    @property
    def device(self) -> torch.device:
        """Return where the model is."""
        return self.passes.device

    @property
    def tokens_run(self) -> int:
        """Return how many tokens were run since the subject was loaded."""
        return self.passes.tokens_run

    @property
    def calls_run(self) -> int:
        """Return how many forward passes that took."""
        return self.passes.calls_run

    @property
    def batch_tokens(self) -> int:
        """Return how many tokens run at once; it halves when memory runs out."""
        return self.passes.batch.tokens

    def limit_batch(self, tokens: int | None) -> None:
        """Run at most this many tokens at once; None returns to the automatic number.

        A single context runs whole, however long it is.

        Raises:
            BenchmarkError: the number is not positive.
        """
        self.passes.limit(tokens)

    def with_passes(self, passes: ForwardPasses) -> Subject:
        """Return the same model with another runner of batches, and so another count."""
        return dataclasses.replace(self, passes=passes)

    def n_units(self, layer: int) -> int:
        """Return how many units a layer has.

        Raises:
            BenchmarkError: the subject has no such layer.
        """
        return self.units.n_units(checked_layer(layer, self.n_layers, self.name))

    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        neurons: Int[Tensor, " n"] | Sequence[int] | None = None,
    ) -> Float[Tensor, "batch pos n"]:
        """Return the true activations of some units of a layer (all of them by default).

        Args:
            tokens: token ids, `[batch, pos]`; no padding, at most `n_ctx` positions.
            layer: runs nothing above it.
            neurons: indices in the layer, in the order wanted; may repeat.

        Returns:
            Raw activations as float32 on the subject's device, `[batch, pos, n]`.

        Raises:
            BenchmarkError: tokens, layer or neurons are not the subject's, or memory ran out.
        """
        tokens, layer, chosen = self._checked(tokens, layer, neurons)
        n = self.units.n_units(layer) if chosen is None else len(chosen)
        result = self._room_for(*tokens.shape, n)
        for rows, units in self._run(tokens, [layer], chosen):
            result[rows] = units[layer]
        return result

    def last_activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        rows: Int[Tensor, " pairs"],
        neurons: Int[Tensor, " pairs"],
        prefixes: SharedPrefixes | None = None,
    ) -> Float[Tensor, " pairs"]:
        """Return activations at the last position of each context, for chosen units of each.

        Much less is kept than by `activations`: a number for a pair of a context and a unit.

        Args:
            tokens: token ids, `[batch, pos]`; no padding, at most `n_ctx` positions.
            layer: runs nothing above it.
            rows: for each pair, the row of `tokens`.
            neurons: for each pair, the unit's index in the layer.
            prefixes: what the contexts have in common; it is run once where that is cheaper and
                the architecture allows it, and changes nothing but rounding.

        Returns:
            Raw activations as float32 on the subject's device, `[pairs]`.

        Raises:
            BenchmarkError: as `activations`; also for a row that does not exist, and for contexts
                that do not begin as their prefixes.
        """
        tokens, layer, chosen = self._checked(tokens, layer, neurons)
        rows = checked_rows(rows, len(tokens), neurons)
        if prefixes is not None:
            prefixes = checked_prefixes(prefixes, tokens, self.n_ctx, self.d_vocab, self.name)
        result = self._room_for(len(rows))
        if chosen is None or not len(rows):
            return result
        if tokens.shape[1] == 0:
            raise BenchmarkError("a context of no tokens has no last position")
        rows, order = rows.cpu().sort(stable=True)
        bounds = np.searchsorted(rows.numpy(), np.arange(len(tokens) + 1))
        chosen = chosen[order.to(self.device)]
        for contexts, units in last_positions(self.passes, self.reader, tokens, layer, prefixes):
            pairs, places = (
                torch.from_numpy(ids).to(self.device) for ids in pairs_of(contexts, bounds)
            )
            result[order.to(self.device)[pairs]] = units[places, chosen[pairs]]
        return result

    def likely_next(self, tokens: Int[Tensor, "batch pos"], k: int) -> Int[Tensor, "batch pos k"]:
        """Return the token ids that the subject finds likeliest after each position, in order.

        The one query that runs the whole model and its unembedding. Its tokens are counted as
        those of every other one.

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

        def likeliest(part: Tensor) -> Tensor:
            return self.reader.logits(part)[..., : self.d_vocab].topk(k).indices

        for rows, ids in self.passes.over(tokens, likeliest):
            result[rows] = ids
        return result

    def output_norms(self, layer: int) -> Float[Tensor, " n_units"]:
        """Return the length of what each unit writes for an activation of one, on the CPU.

        Norms are folded into it, but for the scale that they divide by, so it compares units of a
        layer. It is one for every unit where output weights are not known; see
        `Units.output_weights`. No text is run.

        Raises:
            BenchmarkError: the subject has no such layer.
        """
        layer = checked_layer(layer, self.n_layers, self.name)
        with torch.no_grad():
            weights = self.units.output_weights(layer)
            if weights is None:
                return torch.ones(self.units.n_units(layer))
            return weights.square().sum(1).sqrt().cpu()

    def stream(
        self, tokens: Int[Tensor, "n ctx"], layers: Sequence[int]
    ) -> Iterator[tuple[slice, dict[int, Float[Tensor, "b ctx n_units"]]]]:
        """Yield all units of several layers, batch by batch, from one forward pass.

        Memory is that of one batch. Nothing runs above the highest layer.

        Yields:
            The rows of `tokens` that the batch holds, and for each layer its activations as
            float32 on the subject's device, `[b, ctx, n_units]`. Use them before the next batch.

        Raises:
            BenchmarkError: as `activations`; bad tokens or layers at once, not at the first batch.
        """
        tokens = checked_tokens(tokens, self.n_ctx, self.d_vocab, self.name)
        wanted = [checked_layer(layer, self.n_layers, self.name) for layer in layers]
        if not wanted:
            raise BenchmarkError("stream needs at least one layer")
        return self._run(tokens, wanted, None)

    def _checked(
        self, tokens: Tensor, layer: int, neurons: Tensor | Sequence[int] | None
    ) -> tuple[Tensor, int, Tensor | None]:
        tokens = checked_tokens(tokens, self.n_ctx, self.d_vocab, self.name)
        n_units = self.n_units(layer)
        return tokens, int(layer), checked_neurons(neurons, n_units, self.name, self.device)

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
        self, tokens: Tensor, layers: Collection[int], chosen: Tensor | None
    ) -> Iterator[tuple[slice, dict[int, Tensor]]]:
        """Yield the activations of each layer in float32, batch by batch."""
        return self.passes.over(
            tokens, lambda part: self.reader.read(part, layers, Tensor.float, chosen)
        )
