"""From a configuration to a corpus."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.corpus import SPLITS, Corpus, Document, load_corpus
from benchmark.corpus.documents import split_of
from benchmark.corpus.packing import pack
from benchmark.errors import BenchmarkError
from benchmark.files.tensor_cache import TensorCache
from benchmark.plugins.handed import MEASURED
from tests.corpus.conftest import BOS, BOS_TOKEN

TEXTS = [f"Story {n}. The fox number {n * n} jumps over {n} lazy dogs.\n" for n in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stories = tmp_path / "stories"
    stories.mkdir()
    for number, text in enumerate(TEXTS):
        (stories / f"{number:03}.txt").write_text(text)
    return stories


def load(path: Path, tokenizer: Any, context_length: int = 8, **options: Any) -> Corpus:
    config = {"name": "stories", "kind": "text", "path": str(path), **options}
    return load_corpus(config, tokenizer, bos=BOS, context_length=context_length)


def tokens_of(corpus: Corpus) -> dict[str, list[list[int]]]:
    return {split: contexts.tokens.tolist() for split, contexts in corpus.splits.items()}


def refused(path: Path, tokenizer: Any, **options: Any) -> str:
    with pytest.raises(BenchmarkError) as raised:
        load(path, tokenizer, **options)
    return str(raised.value)


def test_it_is_splitting_then_tokenising_then_packing(folder: Path, tokenizer: Any) -> None:
    corpus = load(folder, tokenizer)
    assert corpus.name == "stories"
    assert corpus.context_length == 8
    assert list(corpus.splits) == list(SPLITS)
    for split, contexts in corpus.splits.items():
        documents = [Document("", text) for text in TEXTS]
        documents = [each for each in documents if split_of(each.digest) == split]
        documents.sort(key=lambda document: document.digest)
        ids = [tokenizer(each.text, add_special_tokens=False)["input_ids"] for each in documents]
        tokens, owners, dropped = pack([np.asarray(row) for row in ids], BOS, 8)
        assert contexts.split == split
        assert contexts.bos == BOS
        assert len(contexts) == len(tokens)
        assert contexts.tokens.tolist() == tokens.tolist()
        assert contexts.documents.tolist() == owners.tolist()
        assert contexts.tokens.dtype == contexts.documents.dtype == torch.int64
        assert corpus.counts[split] == {
            "documents": len(documents),
            "bytes": sum(len(each.text.encode()) for each in documents),
            "contexts": len(tokens),
            "tokens": int((contexts.tokens != BOS).sum()),
            "tokens_dropped": dropped,
            "bos_removed": 0,
        }
        assert corpus.counts[split]["tokens"] + dropped == sum(map(len, ids))


def test_the_counts_and_the_source_are_data(folder: Path, tokenizer: Any) -> None:
    (folder / "copy.txt").write_text(TEXTS[0])
    (folder / "blank.txt").write_text(" \n")
    corpus = load(folder, tokenizer)
    assert json.loads(json.dumps(corpus.counts)) == corpus.counts
    assert corpus.counts["documents_read"] == 62
    assert corpus.counts["duplicates_dropped"] == 1
    assert corpus.counts["empty_dropped"] == 1
    assert corpus.counts["documents_left_out"] == 0
    assert sum(corpus.counts[split]["documents"] for split in SPLITS) == 60
    assert json.loads(json.dumps(corpus.source)) == {"kind": "text", "files": 62}


def test_names_order_and_kind_of_file_change_nothing(
    folder: Path, tmp_path: Path, tokenizer: Any
) -> None:
    corpus = load(folder, tokenizer)
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(json.dumps({"text": text}) for text in reversed(TEXTS)))
    again = load(other, tokenizer, name="elsewhere")
    assert tokens_of(again) == tokens_of(corpus)
    assert again.fingerprint == corpus.fingerprint


def test_a_document_more_moves_no_other(folder: Path, tokenizer: Any) -> None:
    before = load(folder, tokenizer).counts
    (folder / "more.txt").write_text("One story more than there were.")
    after = load(folder, tokenizer).counts
    moved = {split: after[split]["documents"] - before[split]["documents"] for split in SPLITS}
    assert sorted(moved.values()) == [0, 0, 1]


def test_whatever_changes_the_contexts_changes_the_fingerprint(
    folder: Path, tokenizer: Any
) -> None:
    import copy

    other_tokenizer = copy.deepcopy(tokenizer)
    other_tokenizer.add_tokens(["lazy"])
    fractions = {"explain": 0.7, "calibrate": 0.1, "held_out": 0.2}
    config = {"name": "stories", "kind": "text", "path": str(folder)}
    prints = [
        load(folder, tokenizer).fingerprint,
        load(folder, tokenizer, context_length=9).fingerprint,
        load(folder, tokenizer, split_seed=1).fingerprint,
        load(folder, tokenizer, fractions=fractions).fingerprint,
        load(folder, tokenizer, max_documents=59).fingerprint,
        load(folder, other_tokenizer).fingerprint,
        load_corpus(config, tokenizer, bos=5, context_length=8).fingerprint,
    ]
    (folder / "000.txt").write_text("changed")
    prints.append(load(folder, tokenizer).fingerprint)
    assert len(set(prints)) == len(prints)
    assert all(len(each) == 64 and int(each, 16) >= 0 for each in prints)


def test_the_fingerprint_holds_the_text_that_no_token_shows(folder: Path) -> None:
    def blind(texts: list[str], **options: Any) -> dict[str, Any]:
        return {"input_ids": [[1, 2, 3, 4, 5, 6, 7]] * len(texts)}

    before = load(folder, blind)
    split = split_of(Document("", TEXTS[0]).digest)
    variants = (f"variant {number}" for number in range(100))
    other = next(each for each in variants if split_of(Document("", each).digest) == split)
    (folder / "000.txt").write_text(other)
    after = load(folder, blind)
    assert tokens_of(after) == tokens_of(before)
    assert after.fingerprint != before.fingerprint


def test_the_seed_moves_documents_between_splits(folder: Path, tokenizer: Any) -> None:
    assert tokens_of(load(folder, tokenizer)) != tokens_of(load(folder, tokenizer, split_seed=1))


def test_fewer_documents_are_a_part_of_all_of_them(folder: Path, tokenizer: Any) -> None:
    corpus = load(folder, tokenizer, max_documents=40)
    assert sum(corpus.counts[split]["documents"] for split in SPLITS) == 40
    assert corpus.counts["documents_left_out"] == 20


def test_without_a_calibrate_split(folder: Path, tokenizer: Any) -> None:
    fractions = {"explain": 0.8, "calibrate": 0, "held_out": 0.2}
    corpus = load(folder, tokenizer, fractions=fractions)
    assert len(corpus.splits["calibrate"]) == 0
    assert corpus.splits["calibrate"].tokens.shape == (0, 8)
    assert len(corpus.splits["held_out"]) > 0


def test_text_that_spells_the_bos_stays_text(folder: Path, tokenizer: Any) -> None:
    for number in range(30):
        (folder / f"bos{number}.txt").write_text(f"{number} {BOS_TOKEN}{BOS_TOKEN} {BOS_TOKEN}")
    corpus = load(folder, tokenizer)
    for contexts in corpus.splits.values():
        starts = contexts.tokens[:, 1:] == BOS
        changes = contexts.documents[:, 1:] != contexts.documents[:, :-1]
        assert torch.equal(starts, changes)
        assert "<|endoftext|><|endoftext|>" not in tokenizer.decode(contexts.tokens[0])


def test_selected_contexts_keep_everything_else(folder: Path, tokenizer: Any) -> None:
    contexts = load(folder, tokenizer).splits["explain"]
    rows = torch.tensor([3, 1])
    chosen = contexts.select(rows)
    assert len(chosen) == 2
    assert torch.equal(chosen.tokens, contexts.tokens[rows])
    assert torch.equal(chosen.documents, contexts.documents[rows])
    assert (chosen.split, chosen.bos) == (contexts.split, contexts.bos)


def test_a_split_without_a_context_is_refused(folder: Path, tokenizer: Any) -> None:
    message = refused(folder, tokenizer, context_length=500)
    assert "'stories': the calibrate split has" in message
    assert "too few for one context of 500" in message
    for way_out in (
        "more text",
        "context_length",
        "dataset.fractions",
        "dataset.max_document_characters",
    ):
        assert way_out in message


@pytest.mark.parametrize("length", [1, 0, -3, 8.0, True])
def test_a_context_without_text_is_refused(folder: Path, tokenizer: Any, length: Any) -> None:
    assert f"{length}" in refused(folder, tokenizer, context_length=length)


def test_nothing_but_empty_text_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "b.md").write_text(" \n\n")
    message = refused(tmp_path, tokenizer)
    assert f"no text in {tmp_path} (2 documents, all empty)" in message


def test_the_library_of_the_running_python(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, text in enumerate(TEXTS):
        (tmp_path / f"module{number}.py").write_text(text)
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    corpus = load_corpus({"name": "python", "kind": "python"}, tokenizer, bos=BOS, context_length=8)
    assert sum(corpus.counts[split]["documents"] for split in SPLITS) == 60
    assert corpus.source["kind"] == "python"
    assert corpus.source["python"].count(".") == 2


def test_near_duplicates_share_a_split(tmp_path: Path, tokenizer: Any) -> None:
    for number in range(12):
        text = " ".join(f"w{number}x{word * (number + 7) % 1009}" for word in range(200))
        for copy in range(3):
            (tmp_path / f"{number}-{copy}.txt").write_text(f"{text} copy {copy}")
    options = {"fractions": {"explain": 0.5, "calibrate": 0, "held_out": 0.5}}
    corpus = load(tmp_path, tokenizer, 64, **options)
    assert corpus.counts["clusters"]["clusters"] == 12
    assert all(corpus.counts[split]["documents"] % 3 == 0 for split in SPLITS)
    copied = corpus.counts["copied"]
    assert (copied["windows"] > 0, copied["seen"], copied["share"]) == (True, 0, 0)
    apart = load(tmp_path, tokenizer, 64, near_duplicates=None, **options)
    assert apart.counts["clusters"] is None
    assert apart.counts["copied"]["share"] > 0.5
    assert apart.fingerprint != corpus.fingerprint


def test_copies_are_counted_once_and_then_read(
    folder: Path, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"name": "stories", "kind": "text", "path": str(folder)}
    settings = {"bos": BOS, "context_length": 40, "tokenizer_fingerprint": "t"}
    made = load_corpus(config, tokenizer, cache=TensorCache(tmp_path / "cache"), **settings)
    monkeypatch.setattr("benchmark.corpus.overlap.copied_share", None)
    read = load_corpus(config, tokenizer, cache=TensorCache(tmp_path / "cache"), **settings)
    assert read.counts == made.counts
    assert read.fingerprint == made.fingerprint


@pytest.mark.parametrize("kind", ["clusters", "copied", "tokens"])
@pytest.mark.parametrize("damage", ["another tensor", "another size", "out of range"])
def test_a_sealed_cache_file_of_nonsense_is_named_and_made_again(
    folder: Path,
    tokenizer: Any,
    tmp_path: Path,
    kind: str,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = {"name": "stories", "kind": "text", "path": str(folder)}
    settings = {"bos": BOS, "context_length": 40, "tokenizer_fingerprint": "t"}
    cache = tmp_path / "cache"
    made = load_corpus(config, tokenizer, cache=TensorCache(cache), **settings)
    (path,) = (cache / kind).rglob("*.safetensors")
    tensors = load_file(path)
    if damage == "another tensor":
        tensors = {"x": torch.zeros(3)}
    elif damage == "another size":
        tensors = {name: values.repeat(2)[:, None] for name, values in tensors.items()}
    else:
        tensors = {name: torch.full_like(values, -7) for name, values in tensors.items()}
    save_file(tensors, path)
    note = json.loads(path.with_suffix(".json").read_text())
    note["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(note))
    again = load_corpus(config, tokenizer, cache=TensorCache(cache), **settings)
    assert f"{path} is damaged" in caplog.text
    assert again.counts == made.counts
    assert again.fingerprint == made.fingerprint


def test_no_kind_of_file_that_a_corpus_keeps_is_an_explainers_to_write(
    folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    config = {"name": "stories", "kind": "text", "path": str(folder)}
    settings = {"bos": BOS, "context_length": 40, "tokenizer_fingerprint": "t"}
    load_corpus(config, tokenizer, cache=TensorCache(tmp_path / "cache"), **settings)
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= set(MEASURED)


@pytest.mark.parametrize("share", [0, -1, 1.5, "much", True])
def test_an_impossible_share_of_near_duplicates_is_refused(
    folder: Path, tokenizer: Any, share: Any
) -> None:
    assert f"not {share!r}" in refused(folder, tokenizer, near_duplicates=share)
