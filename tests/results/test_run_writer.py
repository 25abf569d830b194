"""A run is written block by block and survives being stopped anywhere."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import RunWriter, load_run


def write_all(folder, sample_run, identity=None):
    with RunWriter.open(folder, identity or sample_run.identity) as writer:
        for number, block in enumerate(sample_run.make_blocks()):
            if number not in writer.completed_blocks():
                writer.write_block(number, *block)
        return writer.finish(sample_run.make_record())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_finished_run_is_three_files_sorted_by_neuron(tmp_path, sample_run):
    write_all(tmp_path / "run", sample_run)
    assert sorted(os.listdir(tmp_path / "run")) == [
        "explanations.jsonl",
        "run.json",
        "scores.parquet",
    ]
    lines = (tmp_path / "run" / "explanations.jsonl").read_text("utf-8").splitlines()
    assert [(json.loads(line)["layer"], json.loads(line)["neuron"]) for line in lines] == [
        (0, 3),
        (0, 7),
        (1, 5),
        (1, 9),
    ]
    assert json.loads(lines[3]) == {
        "layer": 1,
        "neuron": 9,
        "status": "failed",
        "error": "no anchor",
    }
    assert json.loads(lines[1])["explanation"] == {"text": "a\nb ünï"}


def test_a_closed_run_continues_after_its_saved_blocks(tmp_path, sample_run):
    blocks = sample_run.make_blocks()
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        writer.write_block(1, *blocks[1])
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        assert writer.completed_blocks() == {1}
        assert writer.scores().neurons() == [(0, 3), (0, 7)]
        writer.write_block(0, *blocks[0])
        writer.finish(sample_run.make_record())
    whole = tmp_path.parent / "whole"
    write_all(whole, sample_run)
    assert contents(tmp_path) == contents(whole)


def run_killed_at(step: int, folder: Path, sample_run) -> bool:
    """Write the run in a child that dies at its `step`-th call on the disk; True if it died."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs must not outlive the test
        left = [step]

        def dying(call):
            def wrapped(*arguments, **options):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)
                result = call(*arguments, **options)
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)
                return result

            return wrapped

        for name in ("replace", "fsync", "unlink", "mkdir", "rmdir"):
            setattr(os, name, dying(getattr(os, name)))
        try:
            write_all(folder, sample_run)
            os._exit(0)
        except BaseException:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die on purpose")
def test_killed_at_any_moment_it_continues_to_the_same_files(tmp_path, sample_run):
    whole = tmp_path / "whole"
    write_all(whole, sample_run)
    expected, died = contents(whole), 0
    for step in range(1, 200):
        folder = tmp_path / str(step)
        if not run_killed_at(step, folder, sample_run):
            break
        died += 1
        if (folder / "run.json").exists():
            assert load_run(folder).scores.neurons() == [(0, 3), (0, 7), (1, 5), (1, 9)]
            with pytest.raises(BenchmarkError, match="is finished"):
                RunWriter.open(folder, sample_run.identity)
            assert {name: expected[name] for name in expected} == {
                name: (folder / name).read_bytes() for name in expected
            }
            continue
        with pytest.raises(BenchmarkError):
            load_run(folder)
        write_all(folder, sample_run)
        assert contents(folder) == expected
    else:
        pytest.fail("the child never came to its end")
    assert died > 20


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_torn_block_is_discarded(tmp_path, sample_run, kept):
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        for number, block in enumerate(sample_run.make_blocks()):
            writer.write_block(number, *block)
    path = tmp_path / "unfinished" / "block-000001.jsonl"
    path.write_bytes(path.read_bytes()[:kept])
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        assert writer.completed_blocks() == {0}
        assert writer.scores().neurons() == [(1, 5), (1, 9)]


def test_a_block_with_a_changed_number_is_discarded(tmp_path, sample_run):
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        writer.write_block(0, *sample_run.make_blocks()[0])
    path = tmp_path / "unfinished" / "block-000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.26"))
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        assert writer.completed_blocks() == set()


def test_a_block_moved_from_another_run_is_discarded(tmp_path, sample_run):
    for name, identity in (("a", {"seed": 1}), ("b", {"seed": 2})):
        with RunWriter.open(tmp_path / name, identity) as writer:
            writer.write_block(0, *sample_run.make_blocks()[0])
    os.replace(
        tmp_path / "a" / "unfinished" / "block-000000.jsonl",
        tmp_path / "b" / "unfinished" / "block-000000.jsonl",
    )
    with RunWriter.open(tmp_path / "b", {"seed": 2}) as writer:
        assert writer.completed_blocks() == set()


def test_another_identity_is_refused_and_named(tmp_path, sample_run):
    RunWriter.open(tmp_path, {"seed": 0, "k": 20}).close()
    with pytest.raises(BenchmarkError, match=r"other settings \(different: seed\)"):
        RunWriter.open(tmp_path, {"seed": 1, "k": 20})
    RunWriter.open(tmp_path, {"k": 20, "seed": 0}).close()


def test_a_damaged_identity_is_refused(tmp_path, sample_run):
    RunWriter.open(tmp_path, sample_run.identity).close()
    (tmp_path / "unfinished" / "identity.json").write_text("{")
    with pytest.raises(BenchmarkError, match=r"identity\.json' is damaged: .* remove"):
        RunWriter.open(tmp_path, sample_run.identity)


def test_only_one_writer_at_a_time(tmp_path, sample_run):
    with (
        RunWriter.open(tmp_path, sample_run.identity),
        pytest.raises(BenchmarkError, match="another process is writing"),
    ):
        RunWriter.open(tmp_path, sample_run.identity)
    RunWriter.open(tmp_path, sample_run.identity).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_lock_of_a_dead_process_does_not_block(tmp_path, sample_run):
    child = os.fork()
    if child == 0:
        RunWriter.open(tmp_path, sample_run.identity)
        os._exit(9)
    os.waitpid(child, 0)
    assert (tmp_path / "unfinished" / "lock").exists()
    RunWriter.open(tmp_path, sample_run.identity).close()


def test_a_finished_run_is_not_written_again(tmp_path, sample_run):
    write_all(tmp_path, sample_run)
    before = contents(tmp_path)
    with pytest.raises(BenchmarkError, match="is finished"):
        RunWriter.open(tmp_path, sample_run.identity)
    assert contents(tmp_path) == before


def test_files_that_are_not_of_a_run_are_not_overwritten(tmp_path, sample_run):
    (tmp_path / "scores.parquet").write_text("mine")
    with pytest.raises(BenchmarkError, match=r"scores\.parquet but neither"):
        RunWriter.open(tmp_path, sample_run.identity)
    assert contents(tmp_path) == {"scores.parquet": b"mine"}


def test_a_file_where_the_folder_should_be(tmp_path, sample_run):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(BenchmarkError, match="cannot write to"):
        RunWriter.open(tmp_path / "run", sample_run.identity)


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EACCES, "permission")],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_ends_in_one_message(
    tmp_path, sample_run, monkeypatch, number, message, call
):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    blocks = sample_run.make_blocks()
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        writer.write_block(0, *blocks[0])
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            with pytest.raises(BenchmarkError, match=message) as caught:
                writer.write_block(1, *blocks[1])
            assert str(tmp_path) in str(caught.value)
        assert writer.completed_blocks() == {0}
        writer.write_block(1, *blocks[1])
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            with pytest.raises(BenchmarkError, match=message):
                writer.finish(sample_run.make_record())
        assert not (tmp_path / "run.json").exists()
        assert not list(tmp_path.rglob("*.partial"))
        writer.finish(sample_run.make_record())
    assert len(load_run(tmp_path).scores) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows, lines: rows.pop(), "has no row"),
        (lambda rows, lines: lines.pop(), "not about the same"),
        (lambda rows, lines: lines.append(lines[0]), "not about the same"),
        (lambda rows, lines: rows.append(rows[0]), "not about the same"),
        (lambda rows, lines: rows[0].update(status="failed", error="x"), "has no row with status"),
        (lambda rows, lines: rows[0].update(status="fine"), "a row is 'ok'"),
        (lambda rows, lines: rows[1].update(error=None), "a row is 'ok'"),
        (lambda rows, lines: rows[0].update(layer=None), "a whole number as 'layer'"),
    ],
)
def test_rows_and_explanations_must_match(tmp_path, sample_run, change, message):
    rows, lines = sample_run.make_blocks()[0]
    change(rows, lines)
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        with pytest.raises(ValueError, match=message):
            writer.write_block(0, rows, lines)
        assert writer.completed_blocks() == set()


def test_a_neuron_is_saved_once(tmp_path, sample_run):
    blocks = sample_run.make_blocks()
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        writer.write_block(0, *blocks[0])
        with pytest.raises(ValueError, match="block 0 is already saved"):
            writer.write_block(0, *blocks[1])
        with pytest.raises(ValueError, match=r"\(1, 5\) is already saved"):
            writer.write_block(2, *blocks[0])


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), "\ud800"])
def test_an_explanation_that_is_not_json_is_named(tmp_path, sample_run, value):
    rows, lines = sample_run.make_blocks()[0]
    lines[0]["explanation"]["bad"] = value
    with (
        RunWriter.open(tmp_path, sample_run.identity) as writer,
        pytest.raises(BenchmarkError, match=r"layer 1, neuron 5: .*to_dict\(\) is not JSON"),
    ):
        writer.write_block(0, rows, lines)


def test_a_neuron_that_was_asked_for_has_a_row(tmp_path, sample_run):
    with RunWriter.open(tmp_path, sample_run.identity) as writer:
        writer.write_block(0, *sample_run.make_blocks()[0])
        with pytest.raises(ValueError, match=r"2 neurons have no row, first .* \(0, 3\)"):
            writer.finish(sample_run.make_record())
    assert not (tmp_path / "run.json").exists()
