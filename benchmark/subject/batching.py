"""How many tokens the subject runs at once, and what happens when they do not fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from benchmark.errors import BenchmarkError

# Measured on CPU for widths from 256 to 1024: up to here the activations of a batch stay in cache
# and the matrix products are large enough; above it a forward pass becomes slower per token.
CPU_BATCH_TOKENS = 2048
CUDA_BATCH_TOKENS = 1 << 17
SHARE_OF_MEMORY = 0.25


def first_batch_tokens(
    *, d_mlp: int, d_model: int, n_ctx: int, n_heads: int, device: torch.device
) -> int:
    """A sensible number of tokens per batch for a device, before anything has been run.

    The same for every start on the same machine, so that a run that is continued makes the same
    batches as one that was never interrupted.
    """
    if device.type != "cuda":
        return CPU_BATCH_TOKENS
    memory = torch.cuda.get_device_properties(device).total_memory
    # Per token: a few copies of the MLP's and the residual's width, and one row of attention
    # scores per head for architectures that compute attention explicitly. Never the vocabulary:
    # the unembedding is not run.
    per_token = 4 * (6 * d_mlp + 12 * d_model + 3 * n_heads * n_ctx)
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
        """How many contexts of this length make one batch; always at least one."""
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


def rows_by_length(sequences: Sequence[torch.Tensor]) -> dict[int, list[int]]:
    """The indices of the sequences of each length, so that a batch needs no padding."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, sequence in enumerate(sequences):
        rows[sequence.shape[0]].append(row)
    return dict(sorted(rows.items()))
