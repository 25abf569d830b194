"""A driver that is killed or interrupted leaves finished shards, and no worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.engine.shared_folders import TOKEN
from tests.engine import toys
from tests.engine.conftest import WITH_WORKERS

SECONDS = 0.4  # that a shard takes


def start(name: str, folder: Path, seconds: float = SECONDS) -> subprocess.Popen[str]:
    pytest.importorskip(name if name != "processes" else "os", reason=f"{name} is not installed")
    words = [sys.executable, "-m", "tests.engine.script", name, str(folder), str(seconds)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)


def until_begun(folder: Path, n: int) -> None:
    """Wait until some shard is finished and others have begun."""
    deadline = time.monotonic() + 30
    while len(toys.written(folder)) < 1 or len(toys.lines(folder)) < n:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_a_driver_that_is_killed_and_started_again(name: str, tmp_path: Path) -> None:
    driver = start(name, tmp_path)
    until_begun(tmp_path, 5)
    driver.kill()
    driver.wait()
    workers = {process for process, _ in toys.lines(tmp_path)}
    for worker in workers:
        assert toys.gone(worker, 10)
    finished = toys.written(tmp_path)
    assert 1 <= len(finished) < 12
    (tmp_path / "log").unlink()

    again = start(name, tmp_path, 0)
    assert again.wait(60) == 0, again.stderr and again.stderr.read()
    assert toys.written(tmp_path) == toys.expected(12)
    began = {what for _, what in toys.lines(tmp_path) if what != "opened"}
    assert began == {f"began {i}" for i in range(12) if f"{i}.txt" not in finished}


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_ctrl_c_ends_workers_and_leaves_finished_shards(name: str, tmp_path: Path) -> None:
    driver = start(name, tmp_path)
    until_begun(tmp_path, 5)
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
    assert driver.wait(10) == 130
    assert driver.stderr is not None
    assert "Traceback" not in driver.stderr.read()
    for worker in {process for process, _ in toys.lines(tmp_path)}:
        assert toys.gone(worker)
    assert toys.written(tmp_path)
    assert not list(tmp_path.glob("*.partial"))
    assert not list(tmp_path.glob(f"{TOKEN}*"))
    assert not list((tmp_path / "queues").glob("*"))


def test_a_worker_that_is_terminated_removes_what_it_was_writing(tmp_path: Path) -> None:
    driver = start("processes", tmp_path)
    until_begun(tmp_path, 5)
    os.kill(toys.lines(tmp_path)[-1][0], signal.SIGTERM)
    assert driver.wait(30) == 0
    assert driver.stderr is not None
    assert "died (its process ended with status 143); it is run once more" in driver.stderr.read()
    assert toys.written(tmp_path) == toys.expected(12)


@pytest.mark.parametrize("name", ["processes", "submitit"])
def test_two_drivers_in_one_folder_do_the_same(name: str, tmp_path: Path) -> None:
    drivers = [start(name, tmp_path, 0.05) for _ in range(2)]
    assert [driver.wait(60) for driver in drivers] == [0, 0]
    assert toys.written(tmp_path) == toys.expected(12)
    assert not list(tmp_path.glob(f"{TOKEN}*"))
