"""Choice of a source's documents that make the corpus."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

from benchmark.corpus.documents import Document, without_duplicates


def choose(
    documents: Iterable[Document], max_documents: int | None = None
) -> tuple[list[Document], dict[str, Any]]:
    """Return the distinct documents in the order of their digests, and what was counted on the way.

    Of more than `max_documents` those with the smallest digests are kept: a draw that is uniform
    over all of the source (which may hold web pages first and code last) and always the same.
    """
    n_read = n_empty = n_distinct = 0

    def read() -> Iterator[Document]:
        nonlocal n_read, n_empty
        for document in documents:
            n_read += 1
            n_empty += not document.text.strip()
            yield document

    def distinct() -> Iterator[Document]:
        nonlocal n_distinct
        for document in without_duplicates(read()):
            n_distinct += 1
            yield document

    def by_digest(document: Document) -> str:
        return document.digest

    if max_documents is None:
        chosen = sorted(distinct(), key=by_digest)
    else:
        chosen = heapq.nsmallest(max_documents, distinct(), key=by_digest)
    return chosen, {
        "documents_read": n_read,
        "empty_dropped": n_empty,
        "duplicates_dropped": n_read - n_empty - n_distinct,
        "documents_left_out": n_distinct - len(chosen),
    }
