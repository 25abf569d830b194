"""The byte-level BPE tokenizer of the built-in subjects.

Each folder holds a copy. The same text always gives the same tokenizer, so the copies are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmark.builtin.recipe import BOS_TOKEN
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
