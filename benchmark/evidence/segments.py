"""Boundaries of documents inside contexts, known before any model runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark.corpus import Contexts

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segments:
    """The runs of text tokens of one document in one context, in reading order; BOS is in none.

    Attributes:
        context: row of the context each segment lies in, `[s]`.
        document: index of the document it belongs to, `[s]`.
        start: its first position in the context, `[s]`.
        stop: the position after its last one, `[s]`.
        offsets: segments of context `i` are `offsets[i]:offsets[i + 1]`, `[n + 1]`.
    """

    context: IntArray
    document: IntArray
    start: IntArray
    stop: IntArray
    offsets: IntArray

    def of_rows(self, rows: slice) -> Segments:
        """Return the segments of consecutive contexts, their rows counted from the first one."""
        first, last = int(self.offsets[rows.start]), int(self.offsets[rows.stop])
        return Segments(
            self.context[first:last] - rows.start,
            self.document[first:last],
            self.start[first:last],
            self.stop[first:last],
            self.offsets[rows.start : rows.stop + 1] - first,
        )

    def of_first(self, n: int) -> Segments:
        """Return the segments of the first `n` contexts alone; the others have none."""
        last = int(self.offsets[min(max(n, 0), len(self.offsets) - 1)])
        return Segments(
            self.context[:last],
            self.document[:last],
            self.start[:last],
            self.stop[:last],
            np.minimum(self.offsets, last),
        )


def find_segments(contexts: Contexts, distinct_documents: bool = True) -> Segments:
    """Cut contexts `[n, ctx]` at BOS tokens and where the document changes.

    With `distinct_documents=False` every context counts as a document of its own.
    """
    tokens = contexts.tokens.numpy()
    documents = contexts.documents.numpy()
    n = len(tokens)
    if not distinct_documents:
        documents = np.broadcast_to(np.arange(n)[:, None], tokens.shape)
    text = tokens != contexts.bos
    begins = text.copy()
    begins[:, 1:] &= ~text[:, :-1] | (documents[:, 1:] != documents[:, :-1])
    ends = text.copy()
    ends[:, :-1] &= ~text[:, 1:] | (documents[:, 1:] != documents[:, :-1])
    context, start = np.nonzero(begins)
    _, last = np.nonzero(ends)
    offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(context, minlength=n), out=offsets[1:])
    return Segments(
        context.astype(np.int64),
        documents[context, start].astype(np.int64),
        start.astype(np.int64),
        last.astype(np.int64) + 1,
        offsets,
    )
