"""The text that the built-in subjects are trained and measured on, their tokenizer, and losses."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from benchmark.builtin.recipe import BOS_TOKEN
from benchmark.corpus.documents import Document, choose
from benchmark.corpus.python_library import snapshot_documents
from benchmark.corpus.splitting import assign_splits
from benchmark.errors import BenchmarkError
from benchmark.files.atomic import storage_errors, write_text


def train_tokenizer(texts: Sequence[str], d_vocab: int) -> Tokenizer:
    """Learn a byte-level BPE vocabulary of at most `d_vocab` ids; BOS has id 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=d_vocab,
        special_tokens=[BOS_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return tokenizer


def saved_tokenizer(file: Path, texts: Sequence[str], d_vocab: int) -> Tokenizer:
    """Return the tokenizer in a file; where there is none, one is learnt and saved there.

    Raises:
        BenchmarkError: the file cannot be written, or holds a tokenizer of more ids.
    """
    if not file.exists():
        tokenizer = train_tokenizer(texts, d_vocab)
        with storage_errors(file.parent):
            write_text(file, tokenizer.to_str(pretty=True))
        return tokenizer
    tokenizer = Tokenizer.from_file(str(file))
    if tokenizer.get_vocab_size() > d_vocab:
        raise BenchmarkError(
            f"{file} has {tokenizer.get_vocab_size()} ids and the model only {d_vocab}: "
            "it belongs to another model; use another --out."
        )
    return tokenizer


def bos_id(tokenizer: Tokenizer) -> int:
    """Return the id of BOS. Raises BenchmarkError for a tokenizer that has none."""
    bos = tokenizer.token_to_id(BOS_TOKEN)
    if bos is None:
        raise BenchmarkError(f"the tokenizer has no token '{BOS_TOKEN}'.")
    return bos


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Int[np.ndarray, " tokens"]]:
    """Return token ids of each text, without BOS."""
    return [
        np.asarray(encoding.ids, dtype=np.int64)
        for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)
    ]


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


WINDOWS_AT_ONCE = 32


@dataclass(frozen=True)
class TextLoss:
    """What predicting some documents cost, every text token counted once and BOS never.

    Attributes:
        nats: sum over the tokens of minus the natural logarithm of their probability.
        n_tokens: number of tokens.
        n_bytes: bytes of the documents as UTF-8.
    """

    nats: float
    n_tokens: int
    n_bytes: int

    @property
    def nats_per_token(self) -> float:
        """Return the mean cross-entropy of a token; it depends on the tokenizer."""
        return self.nats / self.n_tokens

    @property
    def bits_per_byte(self) -> float:
        """Return bits needed per byte of text; it compares across tokenizers."""
        return self.nats / math.log(2) / self.n_bytes

    def numbers(self) -> dict[str, float]:
        """Return both, as they are written down."""
        return {"nats_per_token": self.nats_per_token, "bits_per_byte": self.bits_per_byte}


def next_token_loss(
    model: nn.Module, rows: Int[Tensor, "batch n_ctx+1"], reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """Return the cross-entropy in nats, each position of the rows predicting the next."""
    logits = model(rows[:, :-1])
    return nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), rows[:, 1:].flatten(), reduction=reduction
    )


@torch.no_grad()
def text_loss(
    model: nn.Module,
    documents: Sequence[Int[np.ndarray, " tokens"]],
    n_bytes: int,
    *,
    n_ctx: int,
    bos: int,
) -> TextLoss:
    """Return the loss of a model on whole documents, in separate windows of `n_ctx` predictions.

    The documents are laid end to end with a BOS between them and cut every `n_ctx` tokens; each
    window is preceded by a BOS and sees nothing before it. The last, shorter one counts too.

    Args:
        model: token ids `[batch, pos]` to logits; it is left in the mode that it was in.
        documents: token ids of each document, without BOS.
        n_bytes: bytes of the documents as UTF-8.
        n_ctx: predictions in a window.
        bos: the id of the BOS token.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    nats, count = 0.0, 0
    rows = [*windows(documents, n_ctx, bos).split(WINDOWS_AT_ONCE)]
    rows += [row for row in last_window(documents, n_ctx, bos).split(1) if row.numel()]
    for chunk in rows:
        chunk = chunk.to(device)
        losses = next_token_loss(model, chunk, reduction="none")
        text = chunk[:, 1:].flatten() != bos
        nats += float(losses[text].double().sum())
        count += int(text.sum())
    model.train(was_training)
    return TextLoss(nats, count, n_bytes)
