"""Documents, duplicates and splits: what the built-in subject was trained on depends on these."""

from __future__ import annotations

import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.corpus.documents import SPLITS, Document, choose, split_of, without_duplicates
from benchmark.corpus.python_library import library_documents

TEXTS = st.lists(st.text(alphabet="abc \n", max_size=3), max_size=20)


def named(texts: list[str]) -> list[Document]:
    return [Document(str(index), text) for index, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("hello", "explain"),
        ("import os\n", "explain"),
        ("naïve café\n", "explain"),
        ("document 1", "held_out"),
        ("document 6", "calibrate"),
        ("document 11", "held_out"),
        ("document 22", "calibrate"),
    ],
)
def test_splits_never_move(text: str, split: str) -> None:
    assert split_of(Document("any", text).digest) == split


def test_the_shares_come_out() -> None:
    n = 20_000
    found = Counter(split_of(Document("", str(number)).digest) for number in range(n))
    for split, share in {"explain": 0.8, "calibrate": 0.1, "held_out": 0.1}.items():
        assert abs(found[split] / n - share) < 0.01


def test_the_seed_moves_documents() -> None:
    digests = [Document("", str(number)).digest for number in range(200)]
    moved = sum(split_of(digest, seed=0) != split_of(digest, seed=1) for digest in digests)
    assert 20 < moved < 120


def test_a_share_of_nothing_gets_nothing_and_rounding_loses_no_document() -> None:
    fractions = {"explain": 0.9, "calibrate": 0.0, "held_out": 0.1 - 1e-9}
    found = {split_of(Document("", str(n)).digest, fractions) for n in range(500)}
    assert found == {"explain", "held_out"}
    assert set(SPLITS) > found


def test_the_name_is_not_part_of_a_document_digest() -> None:
    assert Document("a", "same").digest == Document("b", "same").digest
    assert Document("a", "same").digest != Document("a", "other").digest
    assert Document("a", "lone surrogate \ud800").digest


@given(TEXTS)
def test_duplicates_and_empty_texts_are_dropped_in_order(texts: list[str]) -> None:
    expected = list(dict.fromkeys(text for text in texts if text.strip()))
    assert [document.text for document in without_duplicates(named(texts))] == expected


@given(TEXTS, st.randoms(), st.none() | st.integers(min_value=1, max_value=8))
def test_the_choice_does_not_depend_on_the_order_and_everything_is_counted(
    texts: list[str], random: object, max_documents: int | None
) -> None:
    chosen, counts = choose(named(texts), max_documents)
    shuffled = list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again, counts_again = choose(named(shuffled), max_documents)
    assert [document.text for document in chosen] == [document.text for document in again]
    assert counts == counts_again
    digests = [document.digest for document in chosen]
    assert digests == sorted(digests)
    assert (
        counts["documents_read"]
        == len(texts)
        == len(chosen)
        + sum(counts[key] for key in ("empty_dropped", "duplicates_dropped", "documents_left_out"))
    )
    n_distinct = len({text for text in texts if text.strip()})
    assert len(chosen) == min(n_distinct, max_documents or n_distinct)


def test_the_standard_library_is_every_source_file_that_is_not_a_test() -> None:
    names = [document.name for document in library_documents()]
    root = Path(sysconfig.get_paths()["stdlib"])
    assert names == sorted(names, key=lambda name: root / name)
    assert {"json/decoder.py", "ast.py", "asyncio/events.py"} <= set(names)
    assert not [name for name in names if "/test/" in f"/{name}" or "-packages/" in name]
    assert not [name for name in names if name.startswith("_sysconfigdata")]
    assert len(names) > 400


def test_a_library_of_known_files(tmp_path: Path) -> None:
    for name in (
        "b.py",
        "a/__init__.py",
        "a/c.py",
        "a/data.txt",
        "test/test_a.py",
        "a/tests/x.py",
        "site-packages/other.py",
        "__pycache__/b.py",
        "_sysconfigdata_linux.py",
        "encodings/cp037.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}")
    (tmp_path / "made.py").write_text("#!/bin/sh\n# This file is auto-generated.\nx = 1\n")
    (tmp_path / "z.py").write_text("1\n" * 4 + "# This file is auto-generated.\n")
    found = list(library_documents(tmp_path))
    assert found.pop().name == "z.py"
    assert found == [Document(name, f"# {name}") for name in ("a/__init__.py", "a/c.py", "b.py")]


def test_importing_the_package_is_light() -> None:
    import subprocess

    code = (
        "import sys, benchmark.corpus; "
        "print([m for m in ('torch', 'datasets', 'transformers', 'pyarrow', 'huggingface_hub') "
        "if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
