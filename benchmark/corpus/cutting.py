"""Division of one long text into documents, because a document belongs to exactly one split."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from benchmark.corpus.documents import Document

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
