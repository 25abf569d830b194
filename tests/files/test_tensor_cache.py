"""Cache files: of what their description says, whole, as expected; leftovers of the dead go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmark.files.tensor_cache import DIGEST, Expected, TensorCache, remove_leftovers
from benchmark.files.tensor_stream import digest_of

KEY, OTHER = {"layer": 0, "seed": (1, 2)}, {"layer": 1, "seed": (1, 2)}
EXPECTED = {"x": Expected(torch.float32, (2, None)), "rows": Expected(torch.int64, (2,), 0, 5)}


def tensors(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {"x": torch.full((2, 3), value), "rows": torch.tensor([0, 4])}


@pytest.fixture
def cache(tmp_path: Path) -> TensorCache:
    made = TensorCache(tmp_path)
    made.write("kind", KEY, tensors())
    made.write("kind", OTHER, tensors(2.0))
    return made


def test_what_is_written_is_read(cache: TensorCache) -> None:
    found = cache.read("kind", KEY, EXPECTED)
    assert found is not None
    assert found["x"].tolist() == tensors()["x"].tolist()
    assert cache.read("other kind", KEY) is None


def test_files_exchanged_with_their_descriptions_are_made_again(
    cache: TensorCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = cache.path("kind", KEY), cache.path("kind", OTHER)
    for suffix in (".safetensors", ".json"):
        shutil.move(first.with_suffix(suffix), tmp_path / "kept")
        shutil.move(second.with_suffix(suffix), first.with_suffix(suffix))
        shutil.move(tmp_path / "kept", second.with_suffix(suffix))
    for key, path in ((KEY, first), (OTHER, second)):
        caplog.clear()
        assert TensorCache(tmp_path).read("kind", key, EXPECTED) is None
        assert f"{path} is damaged (the description beside it is of something else)" in caplog.text


def seal(cache: TensorCache, content: dict[str, torch.Tensor]) -> None:
    """Put other tensors into a file and their digest into its description."""
    path = cache.path("kind", KEY)
    save_file(content, path)
    note = json.loads(path.with_suffix(".json").read_text())
    note[DIGEST] = digest_of(path)
    path.with_suffix(".json").write_text(json.dumps(note))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"x": torch.ones(2, 3)}, "it lacks the tensor 'rows'"),
        ({**tensors(), "x": torch.ones(3, 3)}, "the tensor 'x' is torch.float32 of shape [3, 3]"),
        ({**tensors(), "x": torch.ones(2)}, "the tensor 'x' is torch.float32 of shape [2]"),
        ({**tensors(), "x": torch.ones(2, 3).double()}, "'x' is torch.float64 of shape [2, 3]"),
        ({**tensors(), "rows": torch.tensor([0, 5])}, "'rows' holds numbers that are out of range"),
        ({**tensors(), "rows": torch.tensor([-1, 0])}, "'rows' holds numbers that are out of ran"),
        ({**tensors(), "more": torch.ones(1)}, "it has a tensor 'more' too many"),
    ],
)
def test_a_sealed_file_with_other_tensors(
    cache: TensorCache,
    content: dict[str, torch.Tensor],
    problem: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seal(cache, content)
    assert cache.read("kind", KEY, EXPECTED) is None
    assert problem in caplog.text
    assert cache.read("kind", OTHER, EXPECTED) is not None


@pytest.mark.parametrize("note", ["[" * 100_000, "[]", "{}", '{"xxh3": 1e999}', "\0"])
def test_a_description_of_nonsense(cache: TensorCache, note: str) -> None:
    cache.path("kind", KEY).with_suffix(".json").write_text(note)
    assert cache.read("kind", KEY, EXPECTED) is None


def test_leftovers_of_processes_that_are_gone_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = tmp_path / "kind" / "ab"
    folder.mkdir(parents=True)
    stem = "0" * 32
    old = {
        f"{stem}-{dead.pid}-01234567.partial": True,
        f"{stem}-01234567.partial": True,
        f"{stem}.json.01234567.partial": True,
        f"{stem}-{os.getpid()}-01234567.partial": False,  # of a living process
        "notes.partial": False,  # of somebody else
        f"{stem}.safetensors": False,
    }
    yesterday = time.time() - 25 * 3600
    for name in old:
        (folder / name).write_text("x")
        os.utime(folder / name, (yesterday, yesterday))
    (folder / f"{stem}-89abcdef.partial").write_text("being written now")
    remove_leftovers(tmp_path)
    kept = {name for name, goes in old.items() if not goes} | {f"{stem}-89abcdef.partial"}
    assert {path.name for path in folder.iterdir()} == kept


def test_writing_removes_them_and_leaves_none(tmp_path: Path) -> None:
    folder = tmp_path / "kind" / "ab"
    folder.mkdir(parents=True)
    leftover = folder / f"{'1' * 32}-01234567.partial"
    leftover.write_text("x")
    os.utime(leftover, (0, 0))
    TensorCache(tmp_path).write("kind", KEY, tensors())
    assert not list(tmp_path.rglob("*.partial"))
