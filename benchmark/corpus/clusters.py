"""Clusters of near-duplicate documents, which are split as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Int

from benchmark.corpus.documents import Document
from benchmark.corpus.windows import Hashes, window_hashes
from benchmark.terminal.progress import progress

# Bytes in a window, with each run of white space as one: about 32 tokens of a common tokenizer.
WINDOW_BYTES = 100
# One window in this number is kept, chosen by its own hash, so that documents keep the same ones.
KEPT_OF = 16
# Bytes hashed at once: memory stays small, however long a document is.
CHUNK_BYTES = 2**20
# To be raised when the same documents make other clusters.
CLUSTERS_VERSION = 2

Indices = npt.NDArray[np.int64]


def sketch(text: str) -> Hashes:
    """Return the kept hashes of a text's windows, sorted, each once.

    Source: Broder 1997, "On the resemblance and containment of documents", with the windows kept
    whose hash is a multiple of a number, which estimates containment without bias.
    """
    content = b" ".join(text.encode("utf-8", "surrogatepass").split())
    values = np.frombuffer(content, dtype=np.uint8)
    kept = [np.empty(0, dtype=np.uint64)]
    for start in range(0, len(values), CHUNK_BYTES):
        part = values[start : start + CHUNK_BYTES + WINDOW_BYTES - 1]
        hashes = window_hashes(part, WINDOW_BYTES)
        kept.append(hashes[hashes % np.uint64(KEPT_OF) == 0])
    return np.unique(np.concatenate(kept))


def cluster_documents(
    documents: Sequence[Document], share: float, label: str = "near-duplicates"
) -> Int[np.ndarray, " n"]:
    """Return the cluster of each document, as the index of its first member.

    Two documents are joined if they share at least `share` of the windows of the one that has
    fewer; whatever is joined by a chain of such pairs is one cluster. One document is read at a
    time, and half a byte is kept of each of its bytes; beside the documents, memory is about what
    they take themselves.

    Args:
        documents: distinct.
        share: of the smaller document's windows, above 0 and at most 1.
        label: of the progress bar.
    """
    sketches = []
    with progress(sum(len(each.text) for each in documents), label, "characters") as bar:
        for document in documents:
            sketches.append(sketch(document.text))
            bar.update(len(document.text))
    return join(sketches, share)


def join(sketches: Sequence[Hashes], share: float) -> Int[np.ndarray, " n"]:
    """Return the cluster of each sketch; see `cluster_documents`.

    Documents are taken from the smallest on, so that each meets the larger ones with its own
    threshold. Documents of its own cluster are passed over, and a window that one cluster alone
    has left is dropped: it can join nothing more. So a licence that joins a thousand files is
    looked at once, and one that joins none never, as it is not among the rare windows.
    """
    sizes = np.array([len(each) for each in sketches], dtype=np.int64)
    windows = _shared_windows(sketches)
    holders = _Holders(windows)
    clusters = _Clusters(len(sketches))
    for document in np.argsort(sizes, kind="stable").tolist():
        mine = windows[document][holders.alive[windows[document]]]
        needed = max(1, math.ceil(share * sizes[document]))
        if len(mine) < needed:
            continue
        # Whoever shares `needed` of these windows shares one that is not of the commonest.
        rarest = mine[np.argsort(holders.counts[mine], kind="stable")][: len(mine) - needed + 1]
        if not len(clusters.others(document, holders.of(rarest))):
            continue
        others, common = np.unique(clusters.others(document, holders.of(mine)), return_counts=True)
        joined = others[common >= needed]
        for other in joined.tolist():
            clusters.merge(document, other)
        if len(joined):
            holders.drop(mine, clusters.labels)
    _, first, place = np.unique(clusters.labels, return_index=True, return_inverse=True)
    found: Int[np.ndarray, " n"] = first[place]
    return found


def _shared_windows(sketches: Sequence[Hashes]) -> list[Indices]:
    """Return the windows of each sketch that another one has too, numbered from 0."""
    every = np.concatenate([np.empty(0, dtype=np.uint64), *sketches])
    every.sort()
    shared = np.unique(every[1:][every[1:] == every[:-1]])
    del every
    found = []
    for each in sketches:
        place = np.searchsorted(shared, each)
        known = place < len(shared)
        known[known] = shared[place[known]] == each[known]
        found.append(place[known])
    return found


class _Holders:
    """Which documents hold each window."""

    def __init__(self, windows: Sequence[Indices]) -> None:
        owners = np.repeat(np.arange(len(windows)), [len(each) for each in windows])
        numbers = np.concatenate([np.empty(0, dtype=np.int64), *windows])
        self._documents = owners[np.argsort(numbers, kind="stable")]
        self.counts: Indices = np.bincount(numbers)
        self.alive = np.ones(len(self.counts), dtype=bool)
        self._starts = np.cumsum(self.counts) - self.counts

    def of(self, windows: Indices) -> Indices:
        """Return the documents of one window after the other."""
        counts = self.counts[windows]
        before = np.cumsum(counts) - counts
        total = int(counts.sum())
        places = np.repeat(self._starts[windows] - before, counts) + np.arange(total)
        found: Indices = self._documents[places]
        return found

    def drop(self, windows: Indices, labels: Indices) -> None:
        """Drop those of some windows that documents of one cluster alone hold."""
        counts = self.counts[windows]
        of_holders, starts = labels[self.of(windows)], np.cumsum(counts) - counts
        lowest = np.minimum.reduceat(of_holders, starts)
        self.alive[windows] = lowest != np.maximum.reduceat(of_holders, starts)


class _Clusters:
    """Disjoint sets of documents; the smaller of two that are merged is labelled again."""

    def __init__(self, n: int) -> None:
        self.labels: Indices = np.arange(n)
        self._members = [[document] for document in range(n)]

    def others(self, document: int, documents: Indices) -> Indices:
        """Return those of some documents that are in another cluster than one document."""
        found: Indices = documents[self.labels[documents] != self.labels[document]]
        return found

    def merge(self, one: int, other: int) -> None:
        first, second = int(self.labels[one]), int(self.labels[other])
        if first == second:
            return
        if len(self._members[first]) < len(self._members[second]):
            first, second = second, first
        self.labels[self._members[second]] = first
        self._members[first] += self._members[second]
        self._members[second] = []
