"""Every engine does the same, with one worker or several, and survives the same."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.engine import Engine, Report, Shard, Work, run_shards
from benchmark.engine.version import code_version
from benchmark.errors import BenchmarkError
from tests.engine import toys
from tests.engine.conftest import WITH_WORKERS

Make = Callable[..., Engine]
KILLS = {"processes": 20, "submitit": 10, "ray": 10}  # a process of the last two starts slowly


def run(engine: Engine, folder: Path, shards: list[Shard], **setting: Any) -> Report:
    return run_shards(engine, toys.work(folder, **setting), shards, "toying", "neurons")


def refused(engine: Engine, work: Work, shards: list[Shard]) -> BenchmarkError:
    with pytest.raises(BenchmarkError) as caught, engine:
        run_shards(engine, work, shards, "toying", "neurons")
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", ["local", *WITH_WORKERS])
def test_the_files_are_the_same(name: str, workers: int, make: Make, tmp_path: Path) -> None:
    with make(name, workers) as engine:
        report = run(engine, tmp_path, toys.shards(9))
    assert toys.written(tmp_path) == toys.expected(9)
    assert set(report.seconds) == {f"shard {i}" for i in range(9)}
    assert (report.workers, report.failed) == (1 if name == "local" else workers, [])
    began = [what for _, what in toys.lines(tmp_path) if what != "opened"]
    assert sorted(began) == [f"began {i}" for i in range(9)]


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_a_worker_killed_at_any_moment_costs_its_shard_once_more(
    name: str, make: Make, tmp_path: Path
) -> None:
    kills = KILLS[name]
    moments = random.Random(0)
    faults = {f"at_{i}": f"kill {moments.uniform(0, 0.03)}" for i in range(kills)}
    with make(name) as engine:
        report = run(engine, tmp_path, toys.shards(kills + 4, **faults), seconds=0.02)
        run(engine, tmp_path, toys.shards(kills + 6))  # the workers are as good as new
    assert toys.written(tmp_path) == toys.expected(kills + 6)
    assert report.failed == []
    assert kills // 4 <= report.repeated <= kills  # some are killed too late
    assert len(report.seconds) == kills + 4


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_a_worker_killed_while_it_waits_costs_little(name: str, make: Make, tmp_path: Path) -> None:
    with make(name) as engine:
        run(engine, tmp_path, toys.shards(4))
        for process in {process for process, _ in toys.lines(tmp_path)}:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.3)
        report = run(engine, tmp_path, toys.shards(8))
    assert toys.written(tmp_path) == toys.expected(8)
    assert report.failed == []


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_a_shard_that_always_dies_fails_alone(name: str, make: Make, tmp_path: Path) -> None:
    with make(name) as engine:
        report = run(engine, tmp_path, toys.shards(5, at_1="die", at_2="raise"))
    assert toys.written(tmp_path) == toys.expected(5, 1, 2)
    reasons = {shard.name: reason for shard, reason in report.failed}
    assert set(reasons) == {"shard 1", "shard 2"}
    assert reasons["shard 2"] == "KeyError: 'name'"
    assert report.repeated == 2


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_what_a_worker_refuses_ends_the_run(name: str, make: Make, tmp_path: Path) -> None:
    error = refused(make(name), toys.work(tmp_path), toys.shards(4, at_1="refuse"))
    assert (type(error), str(error)) == (toys.OutageError, "the endpoint is down.")
    error = refused(make(name), toys.work(tmp_path), toys.shards(5, at_4="full"))
    assert str(error).startswith(f"cannot write to '{tmp_path}': the disk is full")
    with make(name) as engine:
        run(engine, tmp_path, toys.shards(5))
    assert toys.written(tmp_path) == toys.expected(5)


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_a_worker_with_other_code_is_refused_by_name(name: str, make: Make, tmp_path: Path) -> None:
    work = replace(toys.work(tmp_path), version="0.0.1+abc")
    message = str(refused(make(name), work, toys.shards(3)))
    assert message.startswith(f"worker {os.uname().nodename}:")
    assert (
        f"runs version {code_version()} of the benchmark and this run version 0.0.1+abc" in message
    )
    assert toys.lines(tmp_path) == []


@pytest.mark.parametrize("name", ["submitit"])
def test_a_folder_that_workers_do_not_see_is_named(name: str, make: Make, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    mine = f"/proc/self/fd/{descriptor}"  # another process has another file of this number
    try:
        work = Work("tests.engine.toys:open_toy", {"folder": str(tmp_path)}, [mine])
        message = str(refused(make(name), work, toys.shards(3)))
    finally:
        os.close(descriptor)
    assert f"does not see the folder '{mine}': with engine={name} all machines must" in message
    assert "cache_dir=... or results_dir=..." in message
    assert not list(tmp_path.glob(".shared*"))
    assert toys.lines(tmp_path) == []


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_nothing_but_the_files_is_left(name: str, make: Make, tmp_path: Path) -> None:
    with make(name) as engine:
        run(engine, tmp_path, toys.shards(2))
    left = {path.name for path in tmp_path.rglob("*") if not path.is_dir()}
    assert left == {"0.txt", "1.txt", "log"}
    if name != "ray":  # the processes of Ray are Ray's
        for process, _ in toys.lines(tmp_path):
            assert toys.gone(process)
