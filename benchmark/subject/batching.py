"""Batches: how many tokens run at once, what happens when they do not fit, and what was run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from benchmark.errors import BenchmarkError, is_out_of_memory

Kept = TypeVar("Kept")

# Measured on CPU for widths from 256 to 1024: up to here the activations of a batch stay in cache
# and the matrix products are large enough; above it a forward pass becomes slower per token.
CPU_BATCH_TOKENS = 2048
CUDA_BATCH_TOKENS = 1 << 17
SHARE_OF_MEMORY = 0.25


def first_batch_tokens(
    *,
    width: int,
    d_model: int,
    n_ctx: int,
    n_heads: int,
    device: torch.device,
    kept: int = 0,
) -> int:
    """Return a sensible number of tokens per batch for a device, before anything has been run.

    The same for every start on the same machine, so that a run that is continued makes the same
    batches as one that was never interrupted.

    Args:
        width: the largest number of activations per token and layer: of the MLP or of the units.
        d_model: the width of the residual stream.
        n_ctx: the number of positions.
        n_heads: attention heads per layer.
        device: where the subject runs.
        kept: activations per token of all layers together, which a capture holds at once.
    """
    if device.type != "cuda":
        return CPU_BATCH_TOKENS
    memory = torch.cuda.get_device_properties(device).total_memory
    # Per token: a few copies of the MLP's and the residual's width, and one row of attention
    # scores per head for architectures that compute attention explicitly. Never the vocabulary:
    # the unembedding is not run.
    per_token = 4 * (6 * width + 12 * d_model + 3 * n_heads * n_ctx + kept)
    fitting = int(memory * SHARE_OF_MEMORY) // per_token
    tokens = 1
    while tokens * 2 <= min(fitting, CUDA_BATCH_TOKENS):
        tokens *= 2
    return tokens


class BatchSize:
    """The number of tokens per batch; it halves when a batch does not fit, and stays there."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def contexts(self, n_positions: int) -> int:
        """Return how many contexts of this length make one batch; always at least one."""
        return max(1, self.tokens // max(1, n_positions))

    def shrink(self, n_contexts: int, n_positions: int) -> None:
        """Remember that a batch of this size did not fit.

        Raises:
            BenchmarkError: a single context does not fit.
        """
        if n_contexts <= 1:
            raise BenchmarkError(
                f"out of memory: not even one context of {n_positions} tokens fits. "
                "Use shorter contexts, a smaller model, or another device."
            )
        self.tokens = (n_contexts // 2) * n_positions


class ForwardPasses:
    """The forward passes of a subject, batch by batch, and the count of the tokens that they run.

    Attributes:
        device: where tokens are run.
        batch: how many tokens run at once.
        tokens_run: how many tokens were run; what costs are computed from.
        calls_run: in how many passes.
        shares_prefixes: whether contexts may be run from keys and values of shared prefixes.
    """

    shares_prefixes = True

    def __init__(self, device: torch.device, batch_tokens: int) -> None:
        self.device = device
        self.tokens_run = self.calls_run = 0
        self._automatic = self.batch = BatchSize(batch_tokens)

    def limit(self, tokens: int | None) -> None:
        """Run at most this many tokens at once; None returns to the automatic number.

        Raises:
            BenchmarkError: the number is not positive.
        """
        if tokens is not None and tokens < 1:
            raise BenchmarkError(f"batch_tokens={tokens} must be at least 1.")
        self.batch = self._automatic if tokens is None else BatchSize(tokens)

    def uncounted(self) -> ForwardPasses:
        """Return passes of the same batch size with a count of their own."""
        return ForwardPasses(self.device, self.batch.tokens)

    def over(self, tokens: Tensor, run: Callable[[Tensor], Kept]) -> Iterator[tuple[slice, Kept]]:
        """Yield what `run` returns for batch after batch of tokens `[batch, pos]`, and its rows."""
        n_contexts, n_positions = tokens.shape
        return self.in_batches(
            n_contexts, n_positions, self.batch, lambda rows: run(tokens[rows].to(self.device))
        )

    def in_batches(
        self, n_contexts: int, n_positions: int, batch: BatchSize, run: Callable[[slice], Kept]
    ) -> Iterator[tuple[slice, Kept]]:
        """Yield what `run` returns for batch after batch of rows, each one pass over its contexts.

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
            kept = None
            try:
                kept = run(rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if kept is None:
                # Out of the except clause, whose traceback kept the failed batch's tensors alive.
                batch.shrink(size, n_positions)
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            self.tokens_run += size * n_positions
            self.calls_run += 1
            yield rows, kept
            row += size
