"""Packing of documents into contexts of one length, without padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def pack(
    documents: Sequence[Int[np.ndarray, " tokens"]], bos: int, context_length: int
) -> tuple[Int[np.ndarray, "n ctx"], Int[np.ndarray, "n ctx"], int]:
    """Lay documents end to end and cut them into contexts.

    Every context starts with BOS. Documents are separated by a BOS, unless the second one begins
    a context and so has one already. The last text, if it does not fill a context, is dropped.
    Documents without a token are passed over.

    Args:
        documents: token ids of each document, none of them BOS.
        bos: the id of the BOS token.
        context_length: tokens in a context, BOS included; at least 2.

    Returns:
        Token ids `[n, ctx]`; the index in `documents` of the document that each belongs to, a BOS
        to the document that follows it, `[n, ctx]`; and the number of text tokens dropped.
    """
    width = context_length - 1
    separator = np.full(1, bos, dtype=np.int32)
    pieces: list[Int[np.ndarray, " tokens"]] = []
    lengths: list[int] = []
    owners: list[int] = []
    column = 0
    for index, document in enumerate(documents):
        n_tokens = len(document)
        if n_tokens == 0:
            continue
        if column:
            pieces.append(separator)
            lengths.append(1)
            owners.append(index)
        pieces.append(document)
        lengths.append(n_tokens)
        owners.append(index)
        column = (column + bool(column) + n_tokens) % width
    if not pieces:
        empty = np.empty((0, context_length), dtype=np.int64)
        return empty, empty.copy(), 0
    stream = np.concatenate(pieces)
    n_contexts = len(stream) // width
    kept = n_contexts * width
    dropped = int(np.count_nonzero(stream[kept:] != bos))
    tokens = np.empty((n_contexts, context_length), dtype=np.int64)
    tokens[:, 0] = bos
    tokens[:, 1:] = stream[:kept].reshape(n_contexts, width)
    belongs = np.empty((n_contexts, context_length), dtype=np.int64)
    belongs[:, 1:] = np.repeat(np.asarray(owners), lengths)[:kept].reshape(n_contexts, width)
    belongs[:, 0] = belongs[:, 1]
    return tokens, belongs, dropped
