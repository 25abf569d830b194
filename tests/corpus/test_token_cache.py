"""A corpus read from the token cache is the corpus that tokenising gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.corpus import SPLITS, Corpus, load_corpus
from benchmark.files.tensor_cache import TensorCache


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(40):
        text = "\n".join(f"def function_{number}_{line}(): return {line}" for line in range(6))
        (folder / f"{number}.py").write_text(text)
    return folder


class Refusing:
    """A tokenizer that must not be called."""

    def __call__(self, *_: Any, **__: Any) -> None:
        raise AssertionError("the tokenizer was called although its result was cached")


def load(texts: Path, tokenizer: Any, cache: TensorCache | None, name: str = "one") -> Corpus:
    config = {"name": "texts", "kind": "text", "path": str(texts)}
    return load_corpus(
        config, tokenizer, bos=0, context_length=16, cache=cache, tokenizer_fingerprint=name
    )


def assert_same(one: Corpus, other: Corpus) -> None:
    assert one.fingerprint == other.fingerprint
    assert one.counts == other.counts
    for split in SPLITS:
        assert torch.equal(one.splits[split].tokens, other.splits[split].tokens)
        assert torch.equal(one.splits[split].documents, other.splits[split].documents)


def test_cached_ids_give_the_same_corpus_without_tokenising(texts, tokenizer, tmp_path):
    cache = TensorCache(tmp_path / "cache")
    plain = load(texts, tokenizer, None)
    assert_same(load(texts, tokenizer, cache), plain)
    assert_same(load(texts, Refusing(), cache), plain)


def test_another_tokenizer_or_another_text_is_tokenised_again(texts, tokenizer, tmp_path):
    cache = TensorCache(tmp_path / "cache")
    load(texts, tokenizer, cache)
    with pytest.raises(AssertionError, match="was called"):
        load(texts, Refusing(), cache, name="another")
    (texts / "0.py").write_text("changed = True\n" * 30)
    with pytest.raises(AssertionError, match="was called"):
        load(texts, Refusing(), cache)


def test_a_damaged_file_is_named_and_made_again(texts, tokenizer, tmp_path, caplog):
    cache = TensorCache(tmp_path / "cache")
    plain = load(texts, tokenizer, cache)
    (path,) = tmp_path.rglob("tokens/*/*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    assert_same(load(texts, tokenizer, cache), plain)
    assert str(path) in caplog.text
