"""The frozen corpus `stdlib`: the same text, the same splits, everywhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from benchmark.corpus.documents import Document, choose
from benchmark.corpus.python_library import SNAPSHOT, snapshot_documents, write_snapshot
from benchmark.corpus.splitting import assign_splits
from benchmark.errors import BenchmarkError

TEXT = "5bed84d7880e89ef4d1ce066c19640a67d13dfac98c58ec44849c0ead17eb830"
SPLITS = "2999b5e7f11bb46f5e7ba6db6fadf896b4ec341ce4aad8a90fbb60b7fc21c81d"


def test_the_text_and_its_splits_are_those_that_results_were_made_with() -> None:
    chosen, counts = choose(snapshot_documents())
    assert counts["documents_read"] == 601
    assert hashlib.sha256("".join(each.digest for each in chosen).encode()).hexdigest() == TEXT
    splits, _ = assign_splits(chosen)
    assert Counter(splits) == {"explain": 461, "calibrate": 76, "held_out": 62}
    assert hashlib.sha256("".join(splits).encode()).hexdigest() == SPLITS


def test_it_holds_no_tables_and_nothing_generated() -> None:
    names = {each.name for each in snapshot_documents()}
    assert {"json/decoder.py", "ast.py", "asyncio/events.py"} <= names
    assert not [name for name in names if name.startswith(("encodings/", "test/"))]
    assert not names & {"pydoc_data/topics.py", "token.py", "keyword.py"}


def test_it_is_small_and_its_licence_stands_beside_it() -> None:
    assert SNAPSHOT.stat().st_size < 2.1e6
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in (
        SNAPSHOT.with_name("LICENSE.txt").read_text()
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    documents = [Document("a.py", "x = 1\n\u2028é\x00"), Document("empty.py", " \n")]
    write_snapshot(tmp_path / "text.xz", iter(documents))
    assert list(snapshot_documents(tmp_path / "text.xz")) == documents[:1]


@pytest.mark.parametrize("content", [b"", b"not xz", SNAPSHOT.read_bytes()[:5000]])
def test_a_damaged_snapshot_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "text.xz"
    file.write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"text\.xz"):
        list(snapshot_documents(file))
