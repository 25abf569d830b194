"""Jobs of `engine=submitit`: preempted, replaced, refused."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.engine import Engine, make_engine, run_shards
from benchmark.engine.options import SubmititOptions
from benchmark.engine.queue_folder import QueueFolder
from benchmark.engine.work import Done
from benchmark.engine.worker import Tickets
from benchmark.errors import BenchmarkError
from tests.engine import toys

pytest.importorskip("submitit", reason="submitit is not installed")


def test_a_preempted_job_gives_its_shard_back_and_goes_on(
    make: Callable[..., Engine], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preempted = []

    def preempt() -> None:
        while not (began := [line for line in toys.lines(tmp_path) if line[1] == "began 2"]):
            time.sleep(0.01)
        preempted.append(began[0][0])
        os.kill(began[0][0], signal.SIGUSR2)  # as SLURM warns a job

    thread = threading.Thread(target=preempt)
    thread.start()
    with make("submitit", 2) as engine:
        work = toys.work(tmp_path, seconds=0.3)
        report = run_shards(engine, work, toys.shards(4), "toying", "neurons")
        thread.join()
    assert toys.written(tmp_path) == toys.expected(4)
    assert (report.repeated, report.failed) == (0, [])  # it did not die
    assert "died" not in capsys.readouterr().err
    began = [process for process, what in toys.lines(tmp_path) if what == "began 2"]
    assert len(began) == 2
    assert preempted[0] == began[0] != began[1]


def test_jobs_that_do_not_start_end_the_run_with_what_they_said(
    make: Callable[..., Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.engine.jobs.Job", _Broken)
    with pytest.raises(BenchmarkError) as caught, make("submitit", 2) as engine:
        run_shards(engine, toys.work(tmp_path), toys.shards(3), "toying", "neurons")
    message = str(caught.value)
    assert message.startswith("jobs of engine=submitit end before they do anything (finished): ")
    assert "ImportError: no such library; their logs" in message
    logs = Path(message.rpartition("logs are in '")[2].rstrip("'."))
    assert any("no such library" in path.read_text() for path in logs.glob("*.err"))


class _Broken:
    def __init__(self, *_: object) -> None:
        pass

    def __call__(self) -> None:
        raise ImportError("no such library")


def test_without_slurm_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BenchmarkError, match=r"this machine has no sbatch; .*engine\.cluster=local"
    ):
        make_engine({"name": "submitit"}, tmp_path)


def test_slurm_is_asked_for_what_the_options_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for sbatch keeps the file that it is given, and refuses it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sbatch", "srun"):
        program = programs / name
        program.write_text(
            f'#!/bin/sh\ncp "$1" {tmp_path}/submitted\necho "no partition" >&2\nexit 1'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    options = {
        "name": "submitit",
        "workers": 3,
        "partition": "gpu",
        "account": "lab",
        "qos": "long",
        "timeout_min": 90,
        "mem_gb": 20,
        "cpus_per_task": 2,
        "gpus_per_node": 1,
        "parameters": {"constraint": "a100"},
    }
    with (
        pytest.raises(BenchmarkError, match=r"cannot be submitted: .*no partition"),
        make_engine(options, tmp_path / "queues") as engine,
    ):
        run_shards(engine, toys.work(tmp_path), toys.shards(5), "toying", "neurons")
    submitted = (tmp_path / "submitted").read_text()
    for line in (
        "--partition=gpu",
        "--account=lab",
        "--qos=long",
        "--time=90",
        "--mem=20GB",
        "--cpus-per-task=2",
        "--gpus-per-node=1",
        "--constraint=a100",
        "--array=0-2",
    ):
        assert f"#SBATCH {line}" in submitted
    assert SubmititOptions().workers == 4


def test_no_shard_is_taken_twice_and_none_is_lost(tmp_path: Path) -> None:
    queue = QueueFolder.made(tmp_path)
    ticket = Tickets("submitit").of(toys.work(tmp_path))
    for number in range(200):
        queue.put(f"1-{number}", ticket, number)
    taken: dict[str, list[int]] = {"a": [], "b": [], "c": []}

    def take(job: str) -> None:
        mine = QueueFolder(queue.folder)
        while (found := mine.take(job)) is not None:
            taken[job].append(found[2])
            assert found[1] == ticket
            if found[2] % 10:
                mine.answer(found[0], job, Done(found[2], job))

    threads = [threading.Thread(target=take, args=(job,)) for job in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for numbers in taken.values() for number in numbers) == list(range(200))
    answers = {shard: answer for shard, _, answer in queue.answers()}
    assert {answer.seconds for answer in answers.values()} == set(range(200)) - set(
        range(0, 200, 10)
    )
    assert list(queue.answers()) == []
    held = queue.taken()
    assert sorted(shard for shard, _ in held) == sorted(f"1-{n}" for n in range(0, 200, 10))

    for job in taken:
        queue.release(job)
    assert queue.taken() == []
    found = queue.take("d")
    assert found is not None
    queue.drop(found[0], "d")
    queue.withdraw()
    assert queue.take("e") is None
    queue.remove()
    assert list(tmp_path.glob("queue-*")) == []


def test_queues_of_drivers_that_were_killed_long_ago_are_removed(tmp_path: Path) -> None:
    old, recent = QueueFolder.made(tmp_path), QueueFolder.made(tmp_path)
    long_ago = time.time() - 48 * 3600
    os.utime(old.folder / "driver", (long_ago, long_ago))
    new = QueueFolder.made(tmp_path)
    assert set(tmp_path.iterdir()) == {recent.folder, new.folder}
