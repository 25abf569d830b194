"""FastText vectors of a text, trained once and kept; the same text and seed give the same ones."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from benchmark.interface import Storage
from benchmark.terminal.progress import progress
from explainers.fasttext.language import Text
from explainers.fasttext.settings import check_count
from explainers.fasttext.vectors import Vectors

KIND = "fasttext"
# Part of the key of what is stored: to be raised when the same text gives other vectors.
VERSION = 1


@dataclass(frozen=True)
class Training:
    """How vectors are trained.

    Attributes:
        dimensions: of a vector.
        epochs: passes over the text.
        window: words on either side that are predicted from a word.
        min_count: a rarer word gets no vector of its own, only its subwords'.
        buckets: hashes of character n-grams of 3 to 6 characters.
        max_train_words: of a longer text, evenly chosen lines are used.
        seed: of the first vectors and of the drawing of negative examples.
    """

    dimensions: int = 64
    epochs: int = 3
    window: int = 5
    min_count: int = 2
    buckets: int = 50_000
    max_train_words: int = 3_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_count(name, value, 0 if name == "seed" else 1)


def trained(text: Text, training: Training, source: str, storage: Storage | None = None) -> Vectors:
    """Train vectors of a text, or read them from the storage where they were trained before.

    Args:
        text: what they are trained on.
        training: how.
        source: what the text is called.
        storage: where they are kept; None trains them each time.
    """
    import gensim

    determinants: dict[str, Any] = {
        "version": VERSION,
        "gensim": gensim.__version__,
        "text": text.fingerprint,
        **asdict(training),
    }
    fingerprint = hashlib.sha256(json.dumps(determinants, sort_keys=True).encode()).hexdigest()
    stored = None if storage is None else storage.read(KIND, determinants)
    if stored is None or not _fits(stored, training):
        stored = _train(text, training)
        if storage is not None:
            storage.write(KIND, determinants, stored)
    return Vectors(
        source=source,
        fingerprint=fingerprint,
        words=json.loads(bytes(stored["words"].numpy())),
        matrix=stored["matrix"].numpy(),
        ngrams=stored["ngrams"].numpy(),
        buckets=training.buckets,
    )


def _fits(stored: dict[str, torch.Tensor], training: Training) -> bool:
    """Return whether stored tensors are vectors as this training gives them."""
    try:
        words = json.loads(bytes(stored["words"].numpy()))
        shapes = [tuple(stored[name].shape) for name in ("matrix", "ngrams")]
        kinds = {stored[name].dtype for name in ("matrix", "ngrams")}
    except (KeyError, ValueError, TypeError, RuntimeError):
        return False
    expected = [(len(words), training.dimensions), (training.buckets, training.dimensions)]
    return shapes == expected and kinds == {torch.float32}


def _train(text: Text, training: Training) -> dict[str, torch.Tensor]:
    sentences = text.sentences(training.max_train_words)
    counts = Counter(word for sentence in sentences for word in sentence)
    # A text of a few lines has no frequent words; there, all have vectors.
    frequent = sum(count >= training.min_count for count in counts.values()) > 1
    words: list[str] = []
    matrix = np.zeros((0, training.dimensions), dtype=np.float32)
    ngrams = np.zeros((training.buckets, training.dimensions), dtype=np.float32)
    if len(counts) > 1:
        model = _fit(sentences, training, training.min_count if frequent else 1)
        words, matrix, ngrams = model.index_to_key, model.vectors, model.vectors_ngrams
    return {
        "words": torch.frombuffer(bytearray(json.dumps(words).encode()), dtype=torch.uint8),
        "matrix": torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32)),
        "ngrams": torch.from_numpy(np.ascontiguousarray(ngrams, dtype=np.float32)),
    }


def _fit(sentences: Sequence[list[str]], training: Training, min_count: int) -> Any:
    """Train gensim's keyed vectors."""
    from gensim.models import FastText

    model = FastText(
        vector_size=training.dimensions,
        window=training.window,
        min_count=min_count,
        # Skip-gram: of few words, what is used alike comes out nearer than what is spelt alike.
        sg=1,
        bucket=training.buckets,
        min_n=3,
        max_n=6,
        seed=training.seed,
        # One thread, and no hash of Python's that differs between processes.
        workers=1,
        hashfxn=zlib.crc32,
    )
    model.build_vocab(sentences)
    total = sum(map(len, sentences))
    with progress(total * training.epochs, "training FastText vectors", "words") as bar:
        model.train(
            _Counted(sentences, bar),
            total_examples=len(sentences),
            total_words=total,
            epochs=training.epochs,
        )
    return model.wv


class _Counted:
    """Sentences that tell a progress bar how many words were read."""

    def __init__(self, sentences: Sequence[list[str]], bar: Any) -> None:
        self._sentences = sentences
        self._bar = bar

    def __iter__(self) -> Iterator[list[str]]:
        for sentence in self._sentences:
            yield sentence
            self._bar.update(len(sentence))
