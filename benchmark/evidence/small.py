"""Small part of held-out text on which simulators that cost money are scored too."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class SmallSet:
    """The `uniform_small` scoring set of a block of neurons.

    Attributes:
        rows: the rows of `Truth.tokens` that it is on, the same for all neurons, `[s]`.
        text: which tokens of them are in it, `[s, ctx]`.
        activations: raw units, `[n, s, ctx]`.
        documents: the document that each token belongs to, `[s, ctx]`.
    """

    rows: Int[Tensor, " s"]
    text: Bool[Tensor, "s ctx"]
    activations: Float[Tensor, "n s ctx"]
    documents: Int[Tensor, "s ctx"]


def content_rows(
    tokens: Int[Tensor, "n ctx"], fingerprint: str, wanted: int
) -> Int[Tensor, " wanted"]:
    """Return the contexts that are drawn by their content, ascending.

    They are those with the smallest hashes of their tokens: a uniform draw that no seed changes,
    and of which a smaller one is a part.

    Args:
        tokens: the contexts of a whole split.
        fingerprint: of the corpus; another corpus has another draw.
        wanted: how many; all where there are fewer.
    """
    if wanted < 1:
        return torch.empty(0, dtype=torch.long)
    rows = tokens.to(torch.int64).numpy()
    key = fingerprint.encode()
    hashes = [hashlib.sha256(key + row.tobytes()).digest() for row in rows]
    order = sorted(range(len(hashes)), key=lambda row: (hashes[row], row))
    return torch.tensor(sorted(order[:wanted]), dtype=torch.long)


def first_tokens(tokens: Int[Tensor, "s ctx"], bos: int, n_tokens: int) -> Bool[Tensor, "s ctx"]:
    """Return which tokens of contexts are text among the first `n_tokens` after their BOS."""
    position = torch.arange(tokens.shape[1])
    return (tokens != bos) & (position <= n_tokens)
