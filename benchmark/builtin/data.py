"""The text that the built-in subjects are trained and measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.corpus.choosing import choose
from benchmark.corpus.documents import Document
from benchmark.corpus.python_library import snapshot_documents
from benchmark.corpus.splitting import assign_splits
from benchmark.errors import BenchmarkError


@dataclass(frozen=True)
class Texts:
    """Documents for training (the splits `explain` and `calibrate`) and those held out.

    Attributes:
        training: their texts, in the order of the corpus.
        held_out: likewise.
        fingerprint: SHA-256, in hex, of both lists: equal only for the same text in the same order.
    """

    training: list[str]
    held_out: list[str]
    fingerprint: str

    @property
    def held_out_bytes(self) -> int:
        """Return bytes of the held-out documents as UTF-8."""
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in self.held_out)


def load_texts(documents: Iterable[Document] | None = None) -> Texts:
    """Split documents as the corpus `stdlib` does, which they are by default.

    Raises:
        BenchmarkError: there is nothing to train on, or nothing is held out.
    """
    chosen, _ = choose(snapshot_documents() if documents is None else documents)
    splits, _ = assign_splits(chosen)
    texts: dict[bool, list[str]] = {True: [], False: []}
    fingerprint = hashlib.sha256()
    for document, split in zip(chosen, splits, strict=True):
        held_out = split == "held_out"
        texts[held_out].append(document.text)
        fingerprint.update(f"{held_out}:{document.digest};".encode())
    if not texts[True] or not texts[False]:
        raise BenchmarkError(
            f"{len(texts[False])} documents to train on and {len(texts[True])} held out: "
            "there must be some of both."
        )
    return Texts(texts[False], texts[True], fingerprint.hexdigest())


def windows(
    documents: Sequence[Int[np.ndarray, " tokens"]], n_ctx: int, bos: int, offset: int = 0
) -> Int[Tensor, "n n_ctx+1"]:
    """Pack documents, a BOS between them, into rows that each begin with BOS.

    Column 0 is BOS and the last column is only ever a target, so a row is `n_ctx` predictions. The
    text left at the end, if it fills no row, is not in any; see `last_window`. `offset` moves the
    cuts, so that each epoch sees other windows.
    """
    stream = _stream(documents, bos)[offset:]
    n = len(stream) // n_ctx
    rows = torch.from_numpy(stream[: n * n_ctx].reshape(n, n_ctx).copy())
    return torch.cat([torch.full((n, 1), bos), rows], dim=1)


def last_window(
    documents: Sequence[Int[np.ndarray, " tokens"]], n_ctx: int, bos: int
) -> Int[Tensor, "n left+1"]:
    """Return the text that `windows` leaves at the end: one shorter row, or none."""
    stream = _stream(documents, bos)
    left = stream[len(stream) - len(stream) % n_ctx :]
    row = np.concatenate([[bos], left]).astype(np.int64)
    return torch.from_numpy(row)[None][: bool(len(left))]


def _stream(
    documents: Sequence[Int[np.ndarray, " tokens"]], bos: int
) -> Int[np.ndarray, " tokens"]:
    """Return all documents end to end, a BOS between them and none before the first."""
    pieces: list[Int[np.ndarray, " tokens"]] = []
    separator = np.asarray([bos], dtype=np.int64)
    for document in documents:
        pieces += [separator, document]
    return np.concatenate(pieces)[1:]


def training_batches(
    documents: Sequence[Int[np.ndarray, " tokens"]],
    n_ctx: int,
    batch: int,
    bos: int,
    seed: int,
    start: int,
) -> Iterator[Int[Tensor, "batch n_ctx+1"]]:
    """Yield batches for ever, reshuffled every epoch, beginning with batch number `start`.

    Raises:
        BenchmarkError: the documents do not fill one batch.
    """
    number = 0
    epoch = 0
    while True:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(documents))
        rows = windows([documents[i] for i in order], n_ctx, bos, int(rng.integers(n_ctx)))
        rows = rows[torch.from_numpy(rng.permutation(len(rows)))]
        if len(rows) < batch:
            raise BenchmarkError(
                f"the documents fill {len(rows)} windows of {n_ctx} tokens, fewer than one batch; "
                f"use --batch {max(1, len(rows))} or more text."
            )
        for first in range(0, len(rows) - batch + 1, batch):
            if number >= start:
                yield rows[first : first + batch]
            number += 1
        epoch += 1
