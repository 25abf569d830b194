"""Tokenisation of documents in batches, once for each tokenizer; no special token is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from benchmark.corpus.documents import Document
from benchmark.files.tensor_cache import Expected, TensorCache
from benchmark.terminal.progress import progress

# Enough for every core, little enough that a batch's encodings stay small in memory.
BATCH_CHARACTERS = 1_000_000


def tokenise(
    documents: Sequence[Document], tokenizer: Any, bos: int, label: str = "tokenising"
) -> tuple[list[Int[np.ndarray, " tokens"]], list[int]]:
    """Return token ids of every document, `[tokens]` each, and how many BOS were removed from each.

    Text that spells a special token (`<|endoftext|>` in a page about language models) is
    tokenised as the ordinary characters it is, so a BOS never comes from text. A tokenizer that
    cannot do so, or that maps unknown text to the BOS, loses those ids here: within a context a
    BOS means the start of a document and nothing else.
    """
    ids: list[Int[np.ndarray, " tokens"]] = []
    removed: list[int] = []
    total = sum(len(document.text) for document in documents)
    bar = progress(total, label, "characters")
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    recognised = getattr(backend, "encode_special_tokens", None)
    try:
        for batch in _batches(documents):
            encoded = tokenizer(
                [document.text for document in batch],
                add_special_tokens=False,
                split_special_tokens=True,
                truncation=False,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
            for row in encoded:
                tokens = np.asarray(row, dtype=np.int32)
                text = tokens[tokens != bos]
                ids.append(text)
                removed.append(len(tokens) - len(text))
            bar.update(sum(len(document.text) for document in batch))
    finally:
        # The fast tokenizer remembers this setting; whoever uses its backend next must not.
        if recognised is not None:
            backend.encode_special_tokens = recognised
        bar.close()
    return ids, removed


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Yield batches of about `BATCH_CHARACTERS`; a longer document is a batch of its own."""
    batch: list[Document] = []
    characters = 0
    for document in documents:
        if batch and characters + len(document.text) > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(document)
        characters += len(document.text)
    if batch:
        yield batch


def tokenise_once(
    documents: Sequence[Document],
    tokenizer: Any,
    bos: int,
    label: str,
    cache: TensorCache,
    tokenizer_fingerprint: str,
) -> tuple[list[Int[np.ndarray, " tokens"]], list[int]]:
    """Return what `tokenise` gives, from the cache where tokenizer and texts met before."""
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
