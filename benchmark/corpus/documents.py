"""Documents: how long texts are cut, which are chosen, and the split each one belongs to."""

from __future__ import annotations

import hashlib
import heapq
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

SPLITS = ("explain", "calibrate", "held_out")
# Of the smaller document's windows: so much in common makes two documents near-duplicates.
NEAR_DUPLICATES = 0.02
DEFAULT_FRACTIONS: Mapping[str, float] = {"explain": 0.8, "calibrate": 0.1, "held_out": 0.1}


@dataclass(frozen=True)
class Document:
    """One text and where it came from. The name is shown to people and decides nothing."""

    name: str
    text: str

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the UTF-8 text, in hex: equal texts are the same document."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


def without_duplicates(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield each distinct text once, the first time it is seen; empty texts are dropped."""
    seen: set[str] = set()
    for document in documents:
        if not document.text.strip():
            continue
        digest = document.digest
        if digest not in seen:
            seen.add(digest)
            yield document


def split_of(digest: str, fractions: Mapping[str, float] = DEFAULT_FRACTIONS, seed: int = 0) -> str:
    """Return the split of a digest: a hash of it and the seed, against the fractions."""
    number = hashlib.sha256(f"{seed}:{digest}".encode()).digest()[:8]
    position = int.from_bytes(number, "big") / 2**64
    upper = 0.0
    for split in SPLITS:
        upper += fractions[split]
        if position < upper:
            return split
    return SPLITS[-1]


PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")


def cut(text: str, max_characters: int) -> list[str]:
    """Cut a text into pieces of at most `max_characters`, which joined give the text again.

    A piece ends after the last paragraph that fits, else after the last line, else anywhere.
    """
    if len(text) <= max_characters:
        return [text]
    paragraph_ends = [match.end() for match in PARAGRAPH_END.finditer(text)]
    pieces = []
    start = 0
    while len(text) - start > max_characters:
        limit = start + max_characters
        index = bisect_right(paragraph_ends, limit) - 1
        end = paragraph_ends[index] if index >= 0 else 0
        if end <= start:
            end = text.rfind("\n", start, limit) + 1
        if end <= start:
            end = limit
        pieces.append(text[start:end])
        start = end
    pieces.append(text[start:])
    return pieces


def cut_documents(documents: Iterable[Document], max_characters: int | None) -> Iterator[Document]:
    """Cut every document that is too long; the pieces are numbered from 1."""
    for document in documents:
        if max_characters is None or len(document.text) <= max_characters:
            yield document
            continue
        for number, piece in enumerate(cut(document.text, max_characters), start=1):
            yield Document(f"{document.name}#{number}", piece)


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
