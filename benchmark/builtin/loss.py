"""Loss of a language model on text: nats per token and bits per byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.builtin.data import last_window, windows

WINDOWS_AT_ONCE = 32


@dataclass(frozen=True)
class TextLoss:
    """What predicting some documents cost, every text token counted once and BOS never.

    Attributes:
        nats: sum over the tokens of minus the natural logarithm of their probability.
        n_tokens: number of tokens.
        n_bytes: bytes of the documents as UTF-8.
    """

    nats: float
    n_tokens: int
    n_bytes: int

    @property
    def nats_per_token(self) -> float:
        """Return the mean cross-entropy of a token; it depends on the tokenizer."""
        return self.nats / self.n_tokens

    @property
    def bits_per_byte(self) -> float:
        """Return bits needed per byte of text; it compares across tokenizers."""
        return self.nats / math.log(2) / self.n_bytes

    def numbers(self) -> dict[str, float]:
        """Return both, as they are written down."""
        return {"nats_per_token": self.nats_per_token, "bits_per_byte": self.bits_per_byte}


def next_token_loss(
    model: nn.Module, rows: Int[Tensor, "batch n_ctx+1"], reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """Return the cross-entropy in nats, each position of the rows predicting the next."""
    logits = model(rows[:, :-1])
    return nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), rows[:, 1:].flatten(), reduction=reduction
    )


@torch.no_grad()
def text_loss(
    model: nn.Module,
    documents: Sequence[Int[np.ndarray, " tokens"]],
    n_bytes: int,
    *,
    n_ctx: int,
    bos: int,
) -> TextLoss:
    """Return the loss of a model on documents in full, in non-overlapping windows of `n_ctx`
    predictions.

    The documents are laid end to end with a BOS between them and cut every `n_ctx` tokens; each
    window is preceded by a BOS and sees nothing before it. The last, shorter one counts too.

    Args:
        model: token ids `[batch, pos]` to logits; it is left in the mode that it was in.
        documents: token ids of each document, without BOS.
        n_bytes: bytes of the documents as UTF-8.
        n_ctx: predictions in a window.
        bos: the id of the BOS token.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    nats, count = 0.0, 0
    rows = [*windows(documents, n_ctx, bos).split(WINDOWS_AT_ONCE)]
    rows += [row for row in last_window(documents, n_ctx, bos).split(1) if row.numel()]
    for chunk in rows:
        chunk = chunk.to(device)
        losses = next_token_loss(model, chunk, reduction="none")
        text = chunk[:, 1:].flatten() != bos
        nats += float(losses[text].double().sum())
        count += int(text.sum())
    model.train(was_training)
    return TextLoss(nats, count, n_bytes)
