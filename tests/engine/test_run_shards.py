"""Faults of workers: each costs its shard once more, a failed shard, or one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.engine import Engine, Shard, Work, make_engine, run_shards
from benchmark.errors import BenchmarkError
from tests.engine import toys


@contextlib.contextmanager
def processes(folder: Path, workers: int = 2) -> Iterator[Engine]:
    config = {"name": "processes", "workers": workers}
    with make_engine(config, folder, device="cpu") as engine:
        yield engine


def run(folder: Path, shards: list[Shard], workers: int = 2, **setting: Any) -> Any:
    with processes(folder, workers) as engine:
        return run_shards(engine, toys.work(folder, **setting), shards, "toying", "neurons")


def refused(folder: Path, shards: list[Shard], **setting: Any) -> BenchmarkError:
    with pytest.raises(BenchmarkError) as caught:
        run(folder, shards, **setting)
    assert "\n" not in str(caught.value)
    return caught.value


def test_every_shard_is_done_once_by_workers_that_open_once(tmp_path: Path) -> None:
    report = run(tmp_path, toys.shards(7))
    assert toys.written(tmp_path) == toys.expected(7)
    assert set(report.seconds) == {f"shard {i}" for i in range(7)}
    assert (report.workers, report.repeated, report.failed) == (2, 0, [])
    lines = toys.lines(tmp_path)
    assert sorted(what for _, what in lines if what != "opened") == [f"began {i}" for i in range(7)]
    opened = [process for process, what in lines if what == "opened"]
    assert len(opened) == len(set(opened)) <= 2


def test_workers_stay_from_one_piece_of_work_to_the_next(tmp_path: Path) -> None:
    with processes(tmp_path, workers=1) as engine:
        run_shards(engine, toys.work(tmp_path), toys.shards(2), "toying", "neurons")
        run_shards(engine, toys.work(tmp_path), toys.shards(4), "toying", "neurons")
        run_shards(engine, toys.work(tmp_path, more=1), toys.shards(5), "toying", "neurons")
    opened = [process for process, what in toys.lines(tmp_path) if what == "opened"]
    assert len(opened) == 2  # the same work is opened once
    assert len(set(opened)) == 1


def test_no_shards_are_no_work(tmp_path: Path) -> None:
    assert run(tmp_path, []).seconds == {}
    assert toys.lines(tmp_path) == []


@pytest.mark.parametrize("fault", ["die once", "exit once", "raise once", "memory once"])
def test_a_shard_that_dies_is_run_once_more(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(tmp_path, toys.shards(5, at_2=fault))
    assert toys.written(tmp_path) == toys.expected(5)
    assert (report.repeated, report.failed) == (1, [])
    reasons = {
        "die": "killed by signal 9",
        "exit": "its process ended with status 7",
        "raise": "KeyError: 'name'",
        "memory": "MemoryError",
    }
    reason = reasons[fault.split()[0]]
    assert f"shard 'shard 2' died ({reason}); it is run once more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "reason"), [("die", "killed by signal 9"), ("raise", "KeyError: 'name'")]
)
def test_a_shard_that_dies_twice_has_failed_and_no_other(
    fault: str, reason: str, tmp_path: Path
) -> None:
    report = run(tmp_path, toys.shards(4, at_1=fault))
    assert toys.written(tmp_path) == toys.expected(4, 1)
    assert [(shard.name, why) for shard, why in report.failed] == [("shard 1", reason)]
    assert set(report.seconds) == {"shard 0", "shard 2", "shard 3"}
    assert [what for _, what in toys.lines(tmp_path)].count("began 1") == 2


def test_memory_that_runs_out_twice_is_the_fault_of_no_shard(tmp_path: Path) -> None:
    error = refused(tmp_path, toys.shards(3, at_1="memory"))
    assert str(error) == "shard 'shard 1' died (MemoryError), twice; repeat the same command."


def test_what_a_worker_refuses_ends_the_run_with_its_sentence(tmp_path: Path) -> None:
    error = refused(tmp_path, toys.shards(6, at_2="refuse"))
    assert str(error) == "the endpoint is down."
    assert type(error) is toys.OutageError
    assert set(toys.written(tmp_path).items()) <= set(toys.expected(6).items())


def test_an_error_that_cannot_travel_says_the_same(tmp_path: Path) -> None:
    error = refused(tmp_path, toys.shards(1, at_0="peculiar"))
    assert (type(error), str(error)) == (BenchmarkError, "the moon is full.")


def test_a_full_disk_in_one_worker_is_one_sentence(tmp_path: Path) -> None:
    error = refused(tmp_path, toys.shards(4, at_3="full"))
    assert str(error).startswith(f"cannot write to '{tmp_path}': the disk is full; free some space")
    report = run(tmp_path, toys.shards(4))  # the same command, with space
    assert (toys.written(tmp_path), report.failed) == (toys.expected(4), [])


def test_work_that_cannot_be_opened_ends_the_run(tmp_path: Path) -> None:
    assert type(refused(tmp_path, toys.shards(3), refuses=True)) is toys.OutageError
    message = str(refused(tmp_path, toys.shards(3), breaks=True))
    assert message.startswith("worker ")
    assert message.endswith(" cannot start: ZeroDivisionError: no ground")


def test_a_task_that_cannot_be_sent_raises_here(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, TypeError)):
        run(tmp_path, [Shard("function", lambda: None)])


def test_what_a_worker_prints_is_no_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, toys.shards(2, at_1="print"), workers=1)
    printed = capfd.readouterr()
    assert toys.written(tmp_path) == toys.expected(2)
    assert printed.out == ""
    assert "a line on standard output\n" in printed.err
    assert "another one\n" in printed.err


def test_finished_shards_are_skipped(tmp_path: Path) -> None:
    run(tmp_path, toys.shards(3))
    (tmp_path / "log").unlink()
    run(tmp_path, toys.shards(5))
    assert {what for _, what in toys.lines(tmp_path)} == {"opened", "began 3", "began 4"}


def test_here_is_this_process_and_its_exceptions(tmp_path: Path) -> None:
    with make_engine({"name": "local"}, tmp_path) as engine:
        report = run_shards(engine, toys.work(tmp_path), toys.shards(3), "toying", "neurons")
        assert list(report.seconds) == ["shard 0", "shard 1", "shard 2"]
        with pytest.raises(KeyError):
            run_shards(engine, toys.work(tmp_path), toys.shards(4, at_3="raise"), "toying", "n")
        assert [what for _, what in toys.lines(tmp_path)].count("opened") == 1

        seen: list[Any] = []
        work = Work("no.such:module", {}, here=seen.append)
        run_shards(engine, work, [Shard("one", 1), Shard("two", 2)], "toying", "neurons")
        assert seen == [1, 2]
    assert toys.written(tmp_path) == toys.expected(3)
