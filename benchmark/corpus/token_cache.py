"""Token ids on disk: a corpus is tokenised once for each tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from benchmark.corpus.documents import Document
from benchmark.corpus.tokenise import tokenise
from benchmark.files.tensor_cache import Expected, TensorCache


def tokenise_once(
    documents: Sequence[Document],
    tokenizer: Any,
    bos: int,
    label: str,
    cache: TensorCache,
    tokenizer_fingerprint: str,
) -> tuple[list[Int[np.ndarray, " tokens"]], list[int]]:
    """Return what `tokenise` gives, read from the cache where the same texts met the same
    tokenizer.
    """
    digest = hashlib.sha256()
    for document in documents:
        digest.update(bytes.fromhex(document.digest))
    key = {"tokenizer": tokenizer_fingerprint, "bos": bos, "documents": digest.hexdigest()}
    expected = {
        "ids": Expected(torch.int32, (None,), 0),
        "lengths": Expected(torch.int64, (len(documents),), 0),
        "removed": Expected(torch.int64, (None,)),
    }
    stored = cache.read("tokens", key, expected)
    if stored is not None and int(stored["lengths"].sum()) == len(stored["ids"]):
        ends = stored["lengths"].cumsum(0)[:-1].numpy()
        return np.split(stored["ids"].numpy(), ends), stored["removed"].tolist()
    cache.check_writable()
    ids, removed = tokenise(documents, tokenizer, bos, label)
    tensors = {
        "ids": torch.from_numpy(np.concatenate(ids)),
        "lengths": torch.tensor([len(row) for row in ids]),
        "removed": torch.tensor(removed),
    }
    cache.write("tokens", key, tensors)
    return ids, removed
