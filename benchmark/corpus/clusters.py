"""Clusters of near-duplicate documents, which are split as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int

from benchmark.corpus.documents import Document
from benchmark.corpus.windows import Hashes, window_hashes
from benchmark.progress import progress

# Bytes in a window, with each run of white space as one: about 32 tokens of a common tokenizer.
WINDOW_BYTES = 100
# One window in so many is kept, chosen by its own hash, so that documents keep the same ones.
KEPT_OF = 16
# Windows in more documents than this (a licence) join neighbours only: pairs stay few.
CROWD = 20
# Pairs compared at once.
PAIRS_AT_ONCE = 2**14


def sketch(text: str) -> Hashes:
    """Return the kept hashes of a text's windows, sorted, each once.

    Source: Broder 1997, "On the resemblance and containment of documents", with the windows kept
    whose hash is a multiple of a number, which estimates containment without bias.
    """
    content = b" ".join(text.encode("utf-8", "surrogatepass").split())
    hashes = window_hashes(np.frombuffer(content, dtype=np.uint8), WINDOW_BYTES)
    return np.unique(hashes[hashes % np.uint64(KEPT_OF) == 0])


def cluster_documents(
    documents: Sequence[Document], share: float, label: str = "near-duplicates"
) -> Int[np.ndarray, " n"]:
    """Return the cluster of each document, as the index of its first member.

    Two documents are joined if they share at least `share` of the windows of the one that has
    fewer; whatever is joined by a chain of such pairs is one cluster. Memory is at most half of
    the text's.

    Args:
        documents: distinct, in an order that their content decides.
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
    """Return the cluster of each sketch; see `cluster_documents`."""
    from scipy.sparse import coo_matrix, csr_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(sketches)
    sizes = np.array([len(each) for each in sketches], dtype=np.int64)
    owners = np.repeat(np.arange(n), sizes)
    _, windows, counts = np.unique(
        np.concatenate([np.empty(0, dtype=np.uint64), *sketches]),
        return_inverse=True,
        return_counts=True,
    )
    shared = counts[windows] > 1
    owners, windows = owners[shared], windows[shared]
    first, second = _candidates(owners, windows)
    holds = csr_matrix(
        (np.ones(len(owners), dtype=np.int32), (owners, windows)), shape=(n, len(counts))
    )
    common = _in_common(holds, first, second)
    joined = common >= share * np.minimum(sizes[first], sizes[second])
    edges = coo_matrix(
        (np.ones(int(joined.sum()), dtype=np.int8), (first[joined], second[joined])), shape=(n, n)
    )
    _, component = connected_components(edges, directed=False)
    _, starts, place = np.unique(component, return_index=True, return_inverse=True)
    clusters: Int[np.ndarray, " n"] = starts[place]
    return clusters


def _candidates(
    owners: npt.NDArray[np.int64], windows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of documents with a window in common, the lower index first, each pair once."""
    order = np.lexsort((owners, windows))
    owners, windows = owners[order], windows[order]
    _, group, size = np.unique(windows, return_inverse=True, return_counts=True)
    few = size[group] <= CROWD
    pairs = []
    for step in range(1, min(CROWD, len(owners))):
        same = windows[step:] == windows[:-step]
        if step > 1:
            same &= few[step:]
        pairs.append(np.stack([owners[:-step][same], owners[step:][same]], axis=1))
    if not pairs:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    unique = np.unique(np.concatenate(pairs), axis=0)
    return unique[:, 0], unique[:, 1]


def _in_common(
    holds: Any, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """How many windows each pair of documents shares; `holds` is sparse, documents by windows."""
    found = [
        np.asarray(
            holds[first[at : at + PAIRS_AT_ONCE]]
            .multiply(holds[second[at : at + PAIRS_AT_ONCE]])
            .sum(axis=1)
        ).reshape(-1)
        for at in range(0, len(first), PAIRS_AT_ONCE)
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *found]).astype(np.int64)
