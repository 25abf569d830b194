"""Text that stands in two sets of contexts: windows of tokens that one has from the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool

from benchmark.corpus.contexts import Contexts
from benchmark.corpus.windows import window_hashes

if TYPE_CHECKING:
    from torch import Tensor

Booleans = npt.NDArray[np.bool_]
Tokens = npt.NDArray[np.int64]

# Tokens in a window of which a copy is told by: about two lines of text.
COPY_TOKENS = 32
# Tokens of the reference hashed at once: memory stays small, whatever its size.
CHUNK_TOKENS = 2**22


def seen_windows(
    contexts: Contexts, reference: Contexts, length: int
) -> tuple[Bool[Tensor, "n ctx"], Bool[Tensor, "n ctx"]]:
    """Tell for each position whether the `length` tokens that end there occur in the reference.

    Args:
        contexts: whose windows; one lies within a context and a document and holds no BOS.
        reference: where they are looked for: the contexts of a whole split in their order, whose
            windows may run from one context into the next, but not from one document into another.
        length: tokens in a window.

    Returns:
        `complete`, where a window ends, and `seen`, where it also occurs in the reference; both
        `[n, ctx]`, and `seen` implies `complete`.
    """
    import torch

    tokens, documents = contexts.tokens.numpy(), contexts.documents.numpy()
    complete = np.zeros(tokens.shape, dtype=bool)
    seen = np.zeros(tokens.shape, dtype=bool)
    n_ctx = tokens.shape[1]
    if len(tokens) and n_ctx > length:
        inside = _within(tokens.reshape(-1), documents.reshape(-1), contexts.bos, length)
        # A window that begins in the row before holds this row's BOS and so is not within.
        complete.reshape(-1)[length - 1 :] = inside
        hashes = window_hashes(tokens.reshape(-1), length)
        wanted, place = np.unique(hashes[inside], return_inverse=True)
        seen.reshape(-1)[length - 1 :][inside] = _found(wanted, reference, length)[place]
    return torch.from_numpy(complete), torch.from_numpy(seen)


def _within(
    tokens: npt.NDArray[np.int64], documents: npt.NDArray[np.int64], bos: int, length: int
) -> Booleans:
    """Return which windows of a stream, `[n - length + 1]`, hold no BOS and one document alone."""
    n_bos = np.concatenate([[0], np.cumsum(tokens == bos)])
    no_bos: Booleans = n_bos[length:] == n_bos[: len(n_bos) - length]
    one: Booleans = documents[length - 1 :] == documents[: len(documents) - length + 1]
    return no_bos & one


def _stream(contexts: Contexts, part: slice) -> tuple[Tokens, Tokens]:
    """Return tokens and documents of some contexts in one line, without each context's BOS."""
    tokens = contexts.tokens[part, 1:].reshape(-1).numpy()
    return tokens, contexts.documents[part, 1:].reshape(-1).numpy()


def _found(wanted: npt.NDArray[np.uint64], reference: Contexts, length: int) -> Booleans:
    """Return which of some sorted hashes are those of a window of the reference."""
    found = np.zeros(len(wanted), dtype=bool)
    # Without the BOS that begins each context, one context goes on where the one before ended.
    rows = max(1, CHUNK_TOKENS // max(1, reference.tokens.shape[1] - 1))
    overlapping = -(-(length - 1) // max(1, reference.tokens.shape[1] - 1))
    for first in range(0, len(reference), rows):
        part = slice(max(0, first - overlapping), first + rows)
        tokens, documents = _stream(reference, part)
        if len(tokens) < length or not len(wanted):
            continue
        hashes = window_hashes(tokens, length)[_within(tokens, documents, reference.bos, length)]
        place = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        found[place[wanted[place] == hashes]] = True
    return found


def copied_share(contexts: Contexts, reference: Contexts) -> dict[str, int | float | None]:
    """Return how much of a split also stands in the reference; see `copied_record`.

    Both are contexts of whole splits in their order: windows run from one context into the next,
    so that contexts shorter than a window hide nothing.
    """
    tokens, documents = _stream(contexts, slice(None))
    if len(tokens) < COPY_TOKENS:
        return copied_record(0, 0)
    inside = _within(tokens, documents, contexts.bos, COPY_TOKENS)
    wanted, times = np.unique(window_hashes(tokens, COPY_TOKENS)[inside], return_counts=True)
    seen = _found(wanted, reference, COPY_TOKENS)
    return copied_record(int(times.sum()), int(times[seen].sum()))


def copied_record(windows: int, seen: int) -> dict[str, int | float | None]:
    """Return counted windows as JSON-able numbers.

    Returns:
        `window` (tokens in a window), `windows` (how many the text holds), `seen` (how many of
        them occur in the reference), and `share`, None without a window.
    """
    share = seen / windows if windows else None
    return {"window": COPY_TOKENS, "windows": windows, "seen": seen, "share": share}
