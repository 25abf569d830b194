"""Queries of the subject that explainers may make, and what each costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class SharedPrefixes:
    """Which contexts begin alike, so that the subject runs what they share once.

    For contexts that were made from a few others by changing later tokens. The prefixes change
    what a query costs and, but for rounding, not what it returns.

    Attributes:
        tokens: the prefixes, BOS first, `[prefixes, pos]`; a shorter one is filled up at the end
            with any token ids, which no context shares.
        prefix_of: the row of each context's prefix, `[batch]`.
        n_shared: how many tokens each context shares with its prefix, from the first on; at least
            1 and fewer than the context has, `[batch]`.

    Example:
        Hundred variants of a context of 64 tokens, which differ in the last four:

        >>> import torch
        >>> import benchmark
        >>> subject = benchmark.load_subject("solu-tiny", device="cpu")
        >>> context = torch.arange(64)
        >>> variants = context.repeat(100, 1)
        >>> variants[:, 60:] = torch.arange(400).reshape(100, 4)
        >>> first, n_shared = torch.zeros(100, dtype=torch.long), torch.full((100,), 60)
        >>> prefixes = benchmark.SharedPrefixes(context[None, :60], first, n_shared)
        >>> every, neuron = torch.arange(100), torch.full((100,), 400)
        >>> activations = subject.last_activations(variants, 3, every, neuron, prefixes)
        >>> activations.shape, subject.tokens_run  # 60 + 100 * 4 tokens
        (torch.Size([100]), 460)
        >>> whole = subject.last_activations(variants, 3, every, neuron)
        >>> torch.allclose(activations, whole, atol=1e-4), subject.tokens_run - 460  # 100 * 64
        (True, 6400)
    """

    tokens: Int[Tensor, "prefixes pos"]
    prefix_of: Int[Tensor, " batch"]
    n_shared: Int[Tensor, " batch"]


@runtime_checkable
class SubjectModel(Protocol):
    """The subject as explainers see it: all queries that exist, and nothing that changes it.

    Every query is counted in `tokens_run`: a forward pass counts the tokens that it runs, batch
    times positions. The mean per neuron is the column `cost/subject_tokens` of a run.

    Example:
        >>> import torch
        >>> import benchmark
        >>> subject = benchmark.load_subject("solu-tiny", device="cpu")
        >>> isinstance(subject, benchmark.SubjectModel), subject.n_units(3)
        (True, 1024)
        >>> tokens = torch.tensor([[subject.bos, 17, 4]])
        >>> tuple(subject.activations(tokens, 3, torch.tensor([400])).shape), subject.tokens_run
        ((1, 3, 1), 3)
        >>> row, neuron = torch.tensor([0]), torch.tensor([400])
        >>> tuple(subject.last_activations(tokens, 3, row, neuron).shape), subject.tokens_run
        ((1,), 6)
        >>> tuple(subject.likely_next(tokens, 5).shape), subject.tokens_run
        ((1, 3, 5), 9)
    """

    @property
    def name(self) -> str:
        """Return the subject's name."""
        ...

    @property
    def n_layers(self) -> int:
        """Return the number of layers."""
        ...

    @property
    def n_ctx(self) -> int:
        """Return the most positions that a context may have."""
        ...

    @property
    def d_vocab(self) -> int:
        """Return the number of token ids."""
        ...

    @property
    def bos(self) -> int:
        """Return the id of the BOS token, which every context begins with."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Return the subject's fast tokenizer, or a copy of it."""
        ...

    @property
    def device(self) -> torch.device:
        """Return where the subject runs; results are there, arguments may be anywhere."""
        ...

    @property
    def has_unembedding(self) -> bool:
        """Return whether `likely_next` can answer."""
        ...

    @property
    def tokens_run(self) -> int:
        """Return how many tokens were run so far."""
        ...

    def n_units(self, layer: int) -> int:
        """Return how many neurons (or other units that are explained) a layer has; costs nothing.

        Raises:
            BenchmarkError: the subject has no such layer.
        """
        ...

    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        neurons: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "batch pos n"]:
        """Return the true activations of some neurons of a layer at every position.

        Runs nothing above `layer` and counts `batch * pos` tokens.

        Args:
            tokens: token ids, no padding, at most `n_ctx` positions.
            layer: the neurons' layer.
            neurons: indices in the layer, in the order wanted; None for all of the layer.

        Returns:
            Raw activations, float32.

        Raises:
            BenchmarkError: tokens, layer or neurons are not the subject's, or memory ran out.
        """
        ...

    def last_activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        rows: Int[Tensor, " pairs"],
        neurons: Int[Tensor, " pairs"],
        prefixes: SharedPrefixes | None = None,
    ) -> Float[Tensor, " pairs"]:
        """Return activations at the last position of contexts, for pairs of context and neuron.

        Keeps one number per pair, where `activations` keeps `batch * pos * n`. Without prefixes it
        counts `batch * pos` tokens. With prefixes, and where that is cheaper and the architecture
        allows it, each prefix runs once and each context only from its first unshared token on, or
        from a little before: it counts the tokens of the prefixes and these.

        Args:
            tokens: token ids, no padding, at most `n_ctx` positions.
            layer: the neurons' layer.
            rows: for each pair, the row of `tokens`.
            neurons: for each pair, the neuron's index in the layer.
            prefixes: what the contexts have in common.

        Returns:
            Raw activations, float32.

        Raises:
            BenchmarkError: as `activations`; also for a row that does not exist, and for a context
                that does not begin as its prefix.

        See `SharedPrefixes` for an example.
        """
        ...

    def likely_next(self, tokens: Int[Tensor, "batch pos"], k: int) -> Int[Tensor, "batch pos k"]:
        """Return the token ids that are likeliest after each position, likeliest first.

        Runs all layers and the unembedding, and counts `batch * pos` tokens. With `k` above
        `d_vocab` it returns `d_vocab` ids.

        Raises:
            BenchmarkError: the subject has no unembedding, bad tokens, or memory ran out.
        """
        ...
