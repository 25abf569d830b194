"""Full disks, folders that cannot be written, files that are damaged or somebody else's."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.files.tensor_stream import TensorStream
from benchmark.results import load_run
from tests.command import Command, call, explanations, table
from tests.sealing import reseal


def full(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def results(command: Command) -> set[str]:
    return {name for name in command.files() if name.startswith("results/")}


@pytest.fixture
def full_after(monkeypatch: pytest.MonkeyPatch):
    """Lets the disk be full for files whose name holds a text, from the n-th on."""
    sync = os.fsync

    def start(part: str, number: int = 1) -> None:
        seen = []

        def limited(descriptor: int) -> None:
            name = os.readlink(f"/proc/self/fd/{descriptor}")
            if part in name and not os.path.isdir(name):
                seen.append(name)
                if len(seen) >= number:
                    full()
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", limited)

    return start


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize(
    ("part", "number", "saved"),
    [
        ("identity.json", 1, 0),
        ("block-", 1, 0),
        ("block-", 3, 2),
        ("scores.parquet", 1, 4),
        ("explanations.jsonl", 1, 4),
        ("run.json", 1, 4),
    ],
)
def test_a_full_disk_for_results(
    command: Command,
    full_after,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    number: int,
    saved: int,
) -> None:
    reference = command.finished("explainer=token_lookup")
    full_after(part, number)
    message = command.run("explainer=token_lookup", "fresh=true").message
    assert "cannot write to '" in message
    assert "the disk is full; free some space, then repeat the same command." in message
    assert command.folders() == [reference.folder]
    assert not [name for name in results(command) if name.endswith(".partial")]
    monkeypatch.undo()
    monkeypatch.chdir(command.folder)
    again = command.finished("explainer=token_lookup", "fresh=true")
    assert again.record.timings["resumed_blocks"] == saved
    assert table(again) == table(reference)


@pytest.mark.parametrize("number", [1, 2, 4, 8])
def test_a_full_disk_for_the_cache(
    command: Command, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write, seen = TensorStream.write, []

    def limited(self, tensor):
        seen.append(tensor)
        if len(seen) >= number:
            self._file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, tensor)

    monkeypatch.setattr(TensorStream, "write", limited)
    message = command.run("explainer=token_lookup").message
    assert f"cannot write to '{command.folder / 'cache'}': the disk is full" in message
    assert not [name for name in command.files() if name.endswith(".partial")]
    assert command.folders() == []
    monkeypatch.undo()
    monkeypatch.chdir(command.folder)
    again = command.finished("explainer=token_lookup")
    cold = command.finished(
        "explainer=token_lookup", "fresh=true", f"cache_dir={command.folder / 'other'}"
    )
    assert table(again) == table(cold)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_no_memory_is_one_message(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import benchmark.scorers.simulation

    def exhausted(*arguments):
        raise error

    monkeypatch.setattr(benchmark.scorers.simulation, "score_block", exhausted)
    assert "out of memory" in command.run("explainer=zero").message


@pytest.mark.parametrize("key", ["results_dir", "cache_dir"])
def test_a_file_in_the_place_of_a_folder(command: Command, key: str) -> None:
    (command.folder / "file").write_text("mine")
    for place in ("file", "file/below"):
        message = command.run("explainer=zero", f"{key}={command.folder / place}").message
        assert f"cannot write to '{command.folder / place}" in message
        assert "choose another folder" in message
    assert command.files() == {"file"}  # found out before anything was measured
    assert (command.folder / "file").read_text() == "mine"


@pytest.mark.parametrize("key", ["results_dir", "cache_dir"])
def test_a_folder_that_cannot_be_written(
    command: Command, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    place = command.folder / "locked"
    place.mkdir()
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != place and allowed(path, mode)
    )
    message = command.run("explainer=zero", f"{key}={place}").message
    assert "there is no permission to write there; choose another folder" in message
    assert command.files() == set()


def test_a_warm_cache_that_cannot_be_written_is_used(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = command.finished("explainer=zero")
    cache = command.folder / "cache"
    before = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    allowed = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: not Path(path).is_relative_to(cache) and allowed(path, mode),
    )
    again = command.finished("explainer=zero", "fresh=true")
    assert table(again) == table(warm)
    # What it lacks is told before it is measured.
    monkeypatch.setattr("benchmark.evidence.measuring.stream_layers", None)
    message = command.run("explainer=zero", "contexts.uniform=12").message
    assert "there is no permission to write there; choose another folder" in message
    assert before == {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}


def test_a_cache_whose_path_is_no_text_is_refused(tmp_path: Path) -> None:
    from benchmark.results import check_writable

    with pytest.raises(BenchmarkError, match=r"caf\\xe9' holds bytes that are not UTF-8"):
        check_writable(tmp_path / "caf\udce9")


def test_a_name_that_no_file_system_takes(command: Command) -> None:
    message = command.run("explainer=zero", f"results_dir={'x' * 300}").message
    assert "too long" in message


def test_a_damaged_record(command: Command) -> None:
    run = command.finished("explainer=zero")
    for content, part in (
        ("", "is damaged"),
        ('{"schema_version": 1, "run_id": "x"', "is damaged"),
        ("[]", "not the record of a benchmark run"),
        ("{}", "not the record of a benchmark run"),
        ('{"schema_version": 1}', "is missing"),
        ('{"schema_version": 99}', "install a newer"),
    ):
        (run.folder / "run.json").write_text(content, encoding="utf-8")
        for verb in ("show", "score"):
            message = call(verb, str(run.folder)).message
            assert part in message
            assert "run.json" in message
        message = command.run("explainer=zero").message
        assert part in message
        assert f"Remove '{run.folder}' to run again, or keep it and give fresh=true." in message
    assert command.run("explainer=zero", "fresh=true").status == 0


@pytest.mark.parametrize("damage", ["cut", "gone", "another"])
def test_a_damaged_table(command: Command, damage: str) -> None:
    run = command.finished("explainer=zero")
    scores = run.folder / "scores.parquet"
    if damage == "cut":
        scores.write_bytes(scores.read_bytes()[:-10])
    elif damage == "gone":
        scores.unlink()
    else:
        other = command.finished("explainer=mean")
        scores.write_bytes((other.folder / "scores.parquet").read_bytes())
    for words in (("show", str(run.folder)), ("score", str(run.folder))):
        assert "scores.parquet' " in call(*words).message
    assert "fresh=true" in command.run("explainer=zero").message


def test_damaged_explanations(command: Command) -> None:
    run = command.finished("explainer=token_lookup")
    layer, neuron = run.scores.neurons()[0]
    lines = run.folder / "explanations.jsonl"
    text = lines.read_text(encoding="utf-8")
    lines.write_text(text.replace('"ids"', '"sdi"', 1), encoding="utf-8")
    changed = "is not the file that the run wrote"
    assert changed in call("show", str(run.folder), f"{layer}.{neuron}").message
    assert changed in call("score", str(run.folder)).message
    # What an honest run of another explainer holds is as little a reason to stop with a trace.
    reseal(run.folder)
    unreadable = f"neuron {layer}.{neuron} cannot be read by"
    assert unreadable in call("show", str(run.folder), f"{layer}.{neuron}").message
    assert unreadable in call("score", str(run.folder)).message
    assert load_run(run.folder).record.run_id == run.record.run_id  # and the run is still there
    lines.unlink()
    assert "explanations.jsonl" in call("score", str(run.folder)).message


def test_a_folder_of_somebody_else(command: Command) -> None:
    run = command.finished("explainer=zero")
    (run.folder / "run.json").unlink()
    message = command.run("explainer=zero").message
    assert "nothing there is overwritten" in message
    assert (run.folder / "scores.parquet").exists()
    unfinished = run.folder / "unfinished"
    for name in ("scores.parquet", "explanations.jsonl"):
        (run.folder / name).unlink()
    unfinished.mkdir(exist_ok=True)
    (unfinished / "identity.json").write_text(json.dumps({"someone": "else"}))
    message = command.run("explainer=zero").message
    assert "holds an unfinished run with other settings" in message
    (unfinished / "identity.json").write_text("{")
    message = command.run("explainer=zero").message
    assert "cannot be continued; remove" in message


def test_fewer_neurons_at_once_give_the_same_run_and_leave_no_activations(
    command: Command,
) -> None:
    whole = command.finished("explainer=token_lookup")
    cache = command.folder / "other"
    words = (f"cache_dir={cache}", "storage.neurons=4", "fresh=true")
    parts = command.finished("explainer=token_lookup", *words)
    assert table(parts) == table(whole)
    assert explanations(parts) == explanations(whole)
    left = {path.parents[1].name for path in cache.rglob("*.safetensors")}
    assert {"profile", "exemplars"} <= left
    assert not left & {"sample", "uniform", "top", "top_activations", "part"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_another_run_with_nearly_the_same_scores(
    command: Command, dtype: str
) -> None:
    exact = command.finished("explainer=token_lookup")
    half = command.finished("explainer=token_lookup", f"storage.dtype={dtype}")
    assert half.record.run_id != exact.record.run_id
    name = "uniform/pearson"
    moved = abs(half.scores.column(name) - exact.scores.column(name))
    assert 0 < moved.max() < 0.02
    same = command.run("explainer=token_lookup", "storage.dtype=float32")
    assert "finished before" in same.out  # what the subject computes in is kept exactly anyway
