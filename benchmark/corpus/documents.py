"""Documents and the split each one belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

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
