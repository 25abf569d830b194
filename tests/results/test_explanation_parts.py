"""A large run keeps its explanations in parts: the same content, each part checked when read."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import NeuronsRecord, RunWriter, explanation_line, find_runs, load_run
from benchmark.results import explanation_files as files
from tests.results.test_run_writer import write_all
from tests.sealing import change

NEURONS = [(0, 3), (0, 7), (1, 5), (1, 9)]
PARTS = ["explanations/00000.jsonl", "explanations/00001.jsonl"]


@pytest.fixture
def single(tmp_path, sample_run) -> Path:
    write_all(tmp_path / "single", sample_run)
    return tmp_path / "single"


@pytest.fixture
def parts(tmp_path, sample_run, monkeypatch) -> Path:
    """The same run with at most three neurons a part."""
    monkeypatch.setattr(files, "NEURONS_IN_PART", 3)
    write_all(tmp_path / "parts", sample_run)
    return tmp_path / "parts"


def inside(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_both_forms_hold_the_same(single, parts):
    assert inside(parts) == [*PARTS, "run.json", "scores.parquet"]
    whole = (single / "explanations.jsonl").read_bytes()
    assert b"".join((parts / name).read_bytes() for name in PARTS) == whole
    assert (parts / PARTS[0]).read_bytes().count(b"\n") == 3
    first, second = load_run(single), load_run(parts)
    assert list(first.explanations()) == list(second.explanations())
    assert [first.explanation(*key) for key in NEURONS] == [
        second.explanation(*key) for key in NEURONS
    ]
    assert (single / "scores.parquet").read_bytes() == (parts / "scores.parquet").read_bytes()


def test_the_record_lists_every_part_with_size_and_digest(parts):
    listed = json.loads((parts / "run.json").read_text())["files"]
    assert sorted(listed) == [*PARTS, "scores.parquet"]
    for name in PARTS:
        assert listed[name]["bytes"] == (parts / name).stat().st_size
        assert len(listed[name]["sha256"]) == 64


@pytest.mark.parametrize("n_neurons", [1, 3, 4, 6, 7])
def test_a_file_holds_as_many_neurons_as_it_may(n_neurons, monkeypatch):
    monkeypatch.setattr(files, "NEURONS_IN_PART", 3)
    lines = [f"{rank}\n".encode() for rank in range(n_neurons)]
    found = {name: list(some) for name, some in files.cut(iter(lines), n_neurons)}
    assert [line for some in found.values() for line in some] == lines
    assert all(1 <= len(some) <= 3 for some in found.values())
    assert (list(found) == ["explanations.jsonl"]) == (n_neurons <= 3)


def test_a_file_of_1024_neurons_is_not_cut():
    assert files.NEURONS_IN_PART == 1024
    lines = (b"\n" for _ in range(1024))
    assert [name for name, some in files.cut(lines, 1024)] == ["explanations.jsonl"]
    assert [name for name, _ in files.cut(iter(()), 32_768)][-1] == "explanations/00031.jsonl"


@pytest.mark.parametrize("form", ["single", "parts"])
def test_some_neurons_are_read_in_order(form, request):
    run = load_run(request.getfixturevalue(form))
    some = list(run.explanations([(1, 9), (0, 7)]))
    assert [(saved.layer, saved.neuron) for saved in some] == [(0, 7), (1, 9)]
    assert list(run.explanations([])) == []


def test_one_neuron_needs_its_own_part_alone(parts):
    (parts / PARTS[1]).write_bytes(b"x" * (parts / PARTS[1]).stat().st_size)
    run = load_run(parts)
    assert run.explanation(1, 5).name == "1.5"
    assert [saved.name for saved in run.explanations([(0, 3)])] == ["0.3"]
    with pytest.raises(BenchmarkError, match=r"00001\.jsonl' is not the file that the run wrote"):
        run.explanation(1, 9)
    with pytest.raises(BenchmarkError, match=r"00001\.jsonl' is not the file that the run wrote"):
        list(run.explanations())


def test_a_part_that_is_cut_short_is_noticed_before_it_is_read(parts):
    (parts / PARTS[1]).write_bytes((parts / PARTS[1]).read_bytes()[:-1])
    with pytest.raises(BenchmarkError, match=r"00001\.jsonl' is not the file that the run wrote"):
        load_run(parts)


def test_a_missing_part_is_named(parts):
    (parts / PARTS[1]).unlink()
    with pytest.raises(BenchmarkError, match=r"00001\.jsonl' cannot be read: No such file"):
        load_run(parts)


def test_a_part_too_many_is_named(parts):
    shutil.copy(parts / PARTS[0], parts / "explanations" / "00002.jsonl")
    with pytest.raises(BenchmarkError, match=r"00002\.jsonl' is not a file of this run"):
        load_run(parts)


def test_all_parts_may_be_missing_as_among_submissions(parts):
    shutil.rmtree(parts / "explanations")
    run = load_run(parts)
    assert run.scores.neurons() == NEURONS
    with pytest.raises(BenchmarkError, match=r"00000\.jsonl' cannot be read"):
        run.explanation(0, 3)


@pytest.mark.parametrize("names", [PARTS[:1], PARTS[1:], [*PARTS, "explanations.jsonl"]])
def test_a_record_with_other_parts_is_damaged(parts, names):
    listed = json.loads((parts / "run.json").read_text())["files"]
    one = listed[PARTS[0]]
    change(parts, files={"scores.parquet": listed["scores.parquet"], **dict.fromkeys(names, one)})
    with pytest.raises(BenchmarkError, match=r"run\.json' is damaged: it lists . parts"):
        load_run(parts)


def test_a_neuron_in_the_part_of_others_is_damage(parts):
    record = json.loads((parts / "run.json").read_text())
    first, second = (parts / name for name in PARTS)
    here, there = first.read_bytes(), second.read_bytes()
    first.write_bytes(there)
    second.write_bytes(here)
    listed = record["files"]
    listed[PARTS[0]], listed[PARTS[1]] = listed[PARTS[1]], listed[PARTS[0]]
    change(parts, files=listed)
    run = load_run(parts)
    with pytest.raises(BenchmarkError, match=r"00000\.jsonl' line 1 is damaged: neuron 1\.9"):
        list(run.explanations())
    with pytest.raises(BenchmarkError, match=r"00000\.jsonl' is damaged: layer 0, neuron 3 has no"):
        run.explanation(0, 3)


def test_one_file_of_an_earlier_version_is_read_however_large(single, monkeypatch):
    monkeypatch.setattr(files, "NEURONS_IN_PART", 3)
    run = load_run(single)
    assert [saved.name for saved in run.explanations()] == ["0.3", "0.7", "1.5", "1.9"]
    assert run.explanation(1, 9).error == "no anchor"


def test_a_run_stopped_between_its_parts_continues(parts, tmp_path, sample_run, monkeypatch):
    folder, replace = tmp_path / "stopped", files.cut

    def stopping(lines, n_neurons):
        cut = replace(lines, n_neurons)
        yield next(cut)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("benchmark.results.writer.cut", stopping)
        with pytest.raises(KeyboardInterrupt):
            write_all(folder, sample_run)
    assert (folder / PARTS[0]).is_file()
    assert find_runs([folder]) == []
    (folder / "explanations" / "00001.jsonl.1234.partial").write_bytes(b"of a killed process")
    write_all(folder, sample_run)
    assert {name: (folder / name).read_bytes() for name in inside(folder)} == {
        name: (parts / name).read_bytes() for name in inside(parts)
    }


def test_parts_of_no_run_are_not_overwritten(tmp_path, sample_run):
    (tmp_path / "explanations").mkdir()
    with pytest.raises(BenchmarkError, match="holds explanations but neither"):
        RunWriter.open(tmp_path, sample_run.identity)


def test_finishing_holds_a_line_at_a_time(tmp_path, sample_run):
    """Explanations of 32 MB are written within a few, besides the table of scores."""
    n_neurons, text = 2048, "x" * 16_384
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        for block in range(8):
            neurons = range(256 * block, 256 * (block + 1))
            writer.write_block(
                block,
                [sample_run.row(0, neuron, 0.5) for neuron in neurons],
                [explanation_line(0, neuron, {"text": text}) for neuron in neurons],
            )
        asked = NeuronsRecord(per_layer={0: list(range(n_neurons))}, asked=n_neurons)
        tracemalloc.start()
        writer.finish(sample_run.make_record(neurons=asked))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert sum(path.stat().st_size for path in (tmp_path / "explanations").iterdir()) > 32 * 2**20
    assert peak < 12 * 2**20
