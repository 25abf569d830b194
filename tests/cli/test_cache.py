"""`cache`: what is held, and what is removed of it."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
import torch

from benchmark.files.cache_folder import cache_entries
from benchmark.files.tensor_cache import TensorCache
from benchmark.interface import Usage
from benchmark.llm.reply_store import ReplyStore, reply_file
from tests.command import Command, call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache with three entries, one of them forty days old."""
    cache = TensorCache(tmp_path / "cache")
    for subject in ("a" * 64, "b" * 64):
        cache.write("truth", {"subject": subject, "corpus": "c" * 64}, {"x": torch.zeros(100)})
    cache.write("tokens", {"text": "t"}, {"x": torch.zeros(1000)})
    old = time.time() - 40 * 24 * 3600
    path = cache.path("truth", {"subject": "a" * 64, "corpus": "c" * 64})
    for file in (path, path.with_suffix(".json")):
        os.utime(file, (old, old))
    return cache.folder


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_what_it_holds(folder: Path) -> None:
    answer = call("cache", "--cache-dir", str(folder))
    assert answer.status == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines() if line.startswith((" t", " tr"))]
    assert [row[:4] for row in rows] == [
        ["tokens", "-", "-", "1"],
        ["truth", "a" * 12, "c" * 12, "1"],
        ["truth", "b" * 12, "c" * 12, "1"],
    ]
    assert "40 d" in answer.out
    size = sum(path.stat().st_size for path in files(folder))
    assert answer.out.splitlines()[-1] == f"3 entries, {size / 1000:.1f} kB, in {folder}"
    one = call("cache", "--cache-dir", str(folder), "--kind", "tokens").out
    assert "1 of 3 entries" in one
    assert "truth" not in one


def test_names_come_from_runs_and_the_run_measures_again(command: Command) -> None:
    run = command.finished("explainer=token_lookup")
    answer = call("cache", "--cache-dir", "cache")
    assert re.search(r"uniform +small +text ", answer.out)
    scores = run.scores.rows()
    assert call("cache", "--cache-dir", "cache", "--prune", "--all").status == 0
    assert not files(command.folder / "cache")
    assert call("cache", "--cache-dir", "cache").out.endswith("is empty.\n")
    again = command.run("fresh=true")
    assert again.status == 0, again.err
    assert again.err.count("damaged") == 0
    from benchmark.results import load_run

    same = [
        {name: value for name, value in row.items() if "seconds" not in name}
        for row in load_run(run.folder).scores.rows()
    ]
    assert same == [
        {name: value for name, value in row.items() if "seconds" not in name} for row in scores
    ]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("--all",), 0),
        (("--older-than", "30d"), 2),
        (("--older-than", "8w"), 3),
        (("--older-than", "0h"), 0),
        (("--kind", "truth"), 1),
        (("--kind", "truth", "--older-than", "30d"), 2),
    ],
)
def test_pruning_removes_what_is_chosen_and_nothing_else(
    folder: Path, words: tuple[str, ...], left: int
) -> None:
    others = [folder / "notes.txt", folder / "truth" / "mine.json", folder / "truth/aa/x.json"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    before = files(folder)
    answer = call("cache", "--cache-dir", str(folder), "--prune", "--dry-run", *words)
    assert answer.status == 0, answer.err
    assert f"would remove {3 - left} of 3 entries" in answer.out
    assert files(folder) == before
    answer = call("cache", "--cache-dir", str(folder), "--prune", *words)
    assert answer.status == 0, answer.err
    assert f"removed {3 - left} of 3 entries" in answer.out
    assert len(files(folder)) == 2 * left + len(others)
    assert all(path.read_text() == "mine" for path in others)


def test_a_damaged_cache_is_shown_and_pruned(folder: Path) -> None:
    notes = sorted(folder.rglob("*.json"))
    notes[0].write_text("{")
    notes[1].unlink()
    data = json.loads(notes[2].read_text())
    notes[2].write_text(json.dumps({**data, "subject": ["\x1b[31m"], "corpus": "\x1b[31m"}))
    leftover = notes[0].with_name(f"{'0' * 32}-999999-{'1' * 8}.partial")
    leftover.write_bytes(b"x")
    answer = call("cache", "--cache-dir", str(folder))
    assert answer.status == 0, answer.err
    assert "unfinished or damaged" in answer.out
    assert "\x1b" not in answer.out.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert call("cache", "--cache-dir", str(folder), "--prune", "--all").status == 0
    assert not files(folder)


def test_an_unfinished_file_of_a_process_that_works_stays(folder: Path) -> None:
    path = folder / "truth" / "aa" / f"{'0' * 32}-{os.getpid()}-{'1' * 8}.partial"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    assert call("cache", "--cache-dir", str(folder), "--prune", "--all").status == 0
    assert files(folder) == {path}


def test_a_reader_in_the_middle_of_a_prune_measures_again(folder: Path) -> None:
    """The note goes first, and a note without tensors is one that nobody can read."""
    cache = TensorCache(folder)
    for entry in cache_entries(folder):
        assert [path.suffix for path in entry.files] == [".json", ".safetensors"]
        entry.files[1].unlink()
    assert cache.read("tokens", {"text": "t"}) is None
    cache.write("tokens", {"text": "t"}, {"x": torch.ones(2)})
    assert cache.read("tokens", {"text": "t"}) is not None


def test_no_cache_at_all(tmp_path: Path) -> None:
    for words in ((), ("--prune", "--all"), ("--kind", "truth")):
        answer = call("cache", "--cache-dir", str(tmp_path / "none"), *words)
        assert (answer.status, answer.out) == (0, f"the cache in {tmp_path / 'none'} is empty.\n")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--prune",), "cache --prune removes nothing until you say what"),
        (("--prune", "--all", "--kind", "truth"), "--all removes everything"),
        (("--all",), "belong to --prune"),
        (("--kind", "trth"), "did you mean 'truth'?"),
        (("--older-than", "30"), "--older-than 30 is no time"),
        (("--older-than", "-1d"), "--older-than"),
        (("--prun",), "did you mean '--prune'?"),
        (("truth",), "cache takes no 'truth'"),
        (("--cache-dir=",), "--cache-dir= names no file or folder."),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, words: tuple[str, ...], part: str) -> None:
    before = files(folder)
    assert part in call("cache", "--cache-dir", str(folder), *words).message
    assert files(folder) == before


def test_a_file_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "is no folder" in call("cache", "--cache-dir", str(tmp_path / "file")).message


def test_answers_of_language_models_are_removed_by_a_word_of_their_own(folder: Path) -> None:
    store = ReplyStore(reply_file(folder))
    for number in range(3):
        store.keep(f"key {number}", "gpt", "{}", Usage(10, 0, 2, 0.5))
    answer = call("cache", "--cache-dir", str(folder))
    assert re.search(r" gpt +3 +36 +1\.50", answer.out)
    assert "3 kept answers of language models, in" in answer.out
    assert call("cache", "--cache-dir", str(folder), "--prune", "--all").status == 0
    assert len(store.read([f"key {number}" for number in range(3)])) == 3
    words = ("cache", "--cache-dir", str(folder), "--prune", "--replies")
    assert "would remove 3 kept answers" in call(*words, "--dry-run").out
    assert "removed 0 kept answers" in call(*words, "--older-than", "1d").out
    assert "removed 3 kept answers" in call(*words).out
    assert store.held() == []
    for wrong in (("--replies",), ("--prune", "--replies", "--all")):
        said = call("cache", "--cache-dir", str(folder), *wrong).message
        assert said.startswith("--replies belongs to --prune alone")
