"""The split of each document: clusters of near-duplicates go to one split together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from benchmark.corpus.clusters import (
    CLUSTERS_VERSION,
    KEPT_OF,
    WINDOW_BYTES,
    cluster_documents,
)
from benchmark.corpus.documents import (
    DEFAULT_FRACTIONS,
    NEAR_DUPLICATES,
    SPLITS,
    Document,
    split_of,
)

if TYPE_CHECKING:
    from benchmark.files.tensor_cache import TensorCache

# A cluster of more than this part of all documents (files under one licence text) goes to
# `explain`, so that neither of the small splits is made of one family.
LARGEST_DRAWN = 1 / 20
# A cluster of so few documents is drawn like others, however few documents there are.
ALWAYS_DRAWN = 20


def assign_splits(
    documents: Sequence[Document],
    fractions: Mapping[str, float] = DEFAULT_FRACTIONS,
    seed: int = 0,
    near_duplicates: float | None = NEAR_DUPLICATES,
    cache: TensorCache | None = None,
) -> tuple[list[str], dict[str, Any]]:
    """Return the split of each document, and what was counted on the way.

    A cluster's split is a hash of its smallest digest: it depends on the content of the cluster,
    the fractions and the seed, never on names or on order. Documents of other clusters matter only
    by their number: a cluster that is more than a twentieth of all documents (and of more than
    20) goes to `explain`.

    Args:
        documents: distinct, in the order of their digests.
        fractions: the share of each split.
        seed: draws other splits.
        near_duplicates: the share of windows in common from which two documents belong together;
            None splits documents one by one.
        cache: where the clusters are kept.
    """
    digests = [document.digest for document in documents]
    if near_duplicates is None:
        return [split_of(digest, fractions, seed) for digest in digests], {"clusters": None}
    clusters = _clusters_once(documents, near_duplicates, cache)
    sizes = np.bincount(clusters, minlength=len(documents))
    large = max(ALWAYS_DRAWN, LARGEST_DRAWN * len(documents))
    splits = [
        SPLITS[0] if sizes[first] > large else split_of(digests[first], fractions, seed)
        for first in clusters.tolist()
    ]
    return splits, {
        "clusters": {
            "near_duplicates": near_duplicates,
            "clusters": int(np.count_nonzero(sizes)),
            "documents_in_clusters": int(sizes[sizes > 1].sum()),
            "largest": int(sizes.max(initial=0)),
        }
    }


def _clusters_once(
    documents: Sequence[Document], near_duplicates: float, cache: TensorCache | None
) -> Int[np.ndarray, " n"]:
    """Return the clusters, read from the cache where the same documents were clustered before."""
    if cache is None:
        return cluster_documents(documents, near_duplicates)
    import torch

    from benchmark.files.tensor_cache import Expected

    digest = hashlib.sha256()
    for document in documents:
        digest.update(bytes.fromhex(document.digest))
    key = {
        "documents": digest.hexdigest(),
        "near_duplicates": near_duplicates,
        "window_bytes": WINDOW_BYTES,
        "kept_of": KEPT_OF,
        "version": CLUSTERS_VERSION,
    }
    n = len(documents)
    expected = {"clusters": Expected(torch.int64, (n,), 0, n)}
    stored = cache.read("clusters", key, expected)
    if stored is not None:
        return stored["clusters"].numpy()
    clusters = cluster_documents(documents, near_duplicates)
    cache.write("clusters", key, {"clusters": torch.from_numpy(clusters)})
    return clusters
