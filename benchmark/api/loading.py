"""Subjects and corpora by name, folder, file or hub id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.api.overrides import overrides_of
from benchmark.config.compose import compose
from benchmark.config.run_config import DType, check_config
from benchmark.corpus import Corpus
from benchmark.corpus import load_corpus as read_corpus
from benchmark.errors import BenchmarkError
from benchmark.subject import load_subject as read_subject

if TYPE_CHECKING:
    from benchmark.subject import Subject


def load_subject(
    model: str | Path | Mapping[str, Any] = "solu-tiny",
    *,
    device: str | None = None,
    dtype: DType = "float32",
) -> Subject:
    """Load a subject: the language model whose neurons are explained.

    Args:
        model: a name (`python -m benchmark list models`), a folder with a checkpoint, a hub id, or
            a dict of the keys of `configs/model`.
        device: `cuda` or `cpu`; by default CUDA where there is one.
        dtype: `float32`, or on CUDA also `float16` or `bfloat16`.

    Returns:
        The subject. `subject.activations(tokens, layer)` gives raw activations,
        `[batch, pos, n_neurons]`.

    Raises:
        BenchmarkError: the model is not known, cannot be obtained or has no neurons.

    Example:
        >>> import benchmark
        >>> subject = benchmark.load_subject("planted", device="cpu")
        >>> subject.name, subject.n_layers
        ('planted', 1)
    """
    if isinstance(model, Mapping) and "kind" in model:
        return read_subject(model, device=device, dtype=dtype)
    words = overrides_of({"model": model, "dataset": "stdlib", "explainer": "zero"})
    return read_subject(check_config(compose(words)).model, device=device, dtype=dtype)


def load_corpus(
    dataset: str | Path | Mapping[str, Any],
    subject: Any,
    *,
    context_length: int = 128,
    cache_dir: str | Path | None = None,
    **tokens: Any,
) -> Corpus:
    """Read text as a subject reads it: split by documents and packed into contexts of token ids.

    Args:
        dataset: a name (`python -m benchmark list datasets`), a file or folder with texts, a hub
            id, or a dict with `name` and other keys of `configs/dataset`.
        subject: the subject that will read it; or its tokenizer, then with `bos=`, the id of the
            BOS token.
        context_length: tokens in a context, the BOS included.
        cache_dir: where token ids are kept; the user's cache folder by default.
        tokens: `bos` and what else `benchmark.corpus.load_corpus` takes, with a tokenizer.

    Returns:
        The corpus. `corpus.splits["held_out"].tokens` are token ids, `[n, context_length]`.

    Raises:
        BenchmarkError: the dataset is not known or cannot be read, or holds too little text.

    Example:
        >>> import benchmark
        >>> subject = benchmark.load_subject("planted", device="cpu")
        >>> corpus = benchmark.load_corpus(
        ...     {"name": "stdlib", "max_documents": 160}, subject, context_length=32
        ... )
        >>> sorted(corpus.splits)
        ['calibrate', 'explain', 'held_out']
        >>> corpus.splits["held_out"].tokens.shape[1]
        32
    """
    if "bos" in tokens:
        config = dict(dataset) if isinstance(dataset, Mapping) else _config_of(dataset)
        return read_corpus(config, subject, context_length=context_length, **tokens)
    if not hasattr(subject, "tokenizer_fingerprint"):
        raise BenchmarkError(
            f"load_corpus takes the subject that reads the text, not a {type(subject).__name__}: "
            'load_corpus("stdlib", benchmark.load_subject("solu-tiny")).'
        )
    from benchmark.evaluation.experiment import cache_at, corpus_for
    from benchmark.files.tensor_cache import TensorCache

    cache = TensorCache(cache_at(None if cache_dir is None else str(cache_dir)))
    return corpus_for(subject, _config_of(dataset), context_length, cache)


def _config_of(dataset: str | Path | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(dataset, Mapping) and "kind" in dataset:
        return dataset
    words = overrides_of({"dataset": dataset, "explainer": "zero"})
    return check_config(compose(words)).dataset
