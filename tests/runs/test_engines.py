"""Whoever runs the shards of a run, and whatever kills the workers, the run is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import benchmark
from benchmark.errors import BenchmarkError
from benchmark.results import Run, load_run
from tests.command import Command, child_environment, table
from tests.runs.dying import TEST_PROCESS
from tests.runs.methods import Method

SHARDS = ("contexts.shard=16", "neurons.block_size=2")
PROCESSES = ("engine=processes", "engine.workers=2")
ENGINES = {
    "one process": ("engine=processes", "engine.workers=1"),
    "two processes": PROCESSES,
    "jobs": ("engine=submitit", "engine.cluster=local", "engine.workers=2"),
    "ray": ("engine=ray", "engine.workers=2"),
}


@pytest.fixture(autouse=True)
def this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEST_PROCESS, str(os.getpid()))
    monkeypatch.setenv("RAY_DISABLE_IMPORT_WARNING", "1")


@pytest.fixture(scope="module")
def locally(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    command = Command(tmp_path_factory.mktemp("locally"), checkpoint, texts)
    return command.finished("explainer=token_lookup", *SHARDS)


def check_same(run: Run, other: Run) -> None:
    """Both have the same explanations, byte for byte, and the same scores, bit for bit."""
    explanations = [(one.folder / "explanations.jsonl").read_bytes() for one in (run, other)]
    assert explanations[0] == explanations[1]
    assert table(run) == table(other)


def without_seconds(run: Run) -> dict[str, Any]:
    return {name: one for name, one in run.record.summary.items() if "seconds" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_bits(command: Command, locally: Run, engine: str) -> None:
    pytest.importorskip({"jobs": "submitit", "ray": "ray"}.get(engine, "torch"))
    run = command.finished("explainer=token_lookup", *SHARDS, *ENGINES[engine])
    check_same(run, locally)
    assert run.record.run_id == locally.record.run_id
    assert without_seconds(run) == without_seconds(locally)
    assert run.record.timings["workers"] == (1 if engine == "one process" else 2)
    assert run.record.timings["repeated_shards"] == 0
    assert {path.name for path in (command.folder / "results").iterdir()} <= {"small", ".queue"}


@pytest.mark.slow
def test_an_explainer_that_asks_the_subject_is_the_same_in_two_processes(command: Command) -> None:
    local = command.finished("explainer=n2g", *SHARDS)
    cache = f"cache_dir={command.folder / 'other'}"
    check_same(command.finished("explainer=n2g", *SHARDS, *PROCESSES, cache, "fresh=true"), local)


@pytest.mark.slow
def test_workers_killed_at_twenty_moments_cost_nothing_but_time(
    command: Command, checkpoint: Path, texts: Path, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    words = (
        "explainer._target_=tests.runs.dying.KilledAtRandom",
        f"+explainer.marks={marks}",
        "contexts.shard=8",
        "neurons.per_layer=null",
        "neurons.block_size=2",
    )
    run = command.finished(*words, *PROCESSES)
    killed = sorted(mark.name for mark in marks.iterdir())
    assert 20 <= len(killed) <= 21, killed  # two workers may both count nineteen
    assert run.record.timings["repeated_shards"] >= 1
    assert any(name.startswith("capture") for name in killed)
    assert any(name.startswith("block") for name in killed)
    undisturbed = Command(tmp_path / "undisturbed", checkpoint, texts).finished(*words)
    check_same(run, undisturbed)


@pytest.mark.slow
def test_a_block_that_kills_its_worker_twice_is_failed_rows(command: Command, locally: Run) -> None:
    neuron = f"{locally.scores.neurons()[0][0]}.{locally.scores.neurons()[0][1]}"
    words = ("explainer._target_=tests.runs.dying.KillsWithNeuron", f"+explainer.neuron='{neuron}'")
    answer = command.run(*words, *SHARDS, *PROCESSES)
    assert answer.status == 0, answer.err
    assert "block 0" in answer.err
    assert "1 shard died and ran once more" in answer.out
    (folder,) = command.folders()
    run = load_run(folder)
    failed = [row for row in run.scores.rows() if row["status"] == "failed"]
    assert len(failed) == 2  # its block
    assert all("worker died twice: killed by signal 9" in row["error"] for row in failed)
    assert run.record.neurons.explained == run.record.neurons.asked - 2
    assert {row["uniform/pearson"] for row in failed} == {0.0}
    rest = [row for row in table(run) if row["status"] == "ok"]
    assert rest == list(table(locally))[2:]


@pytest.mark.slow
def test_a_driver_that_was_killed_continues_with_what_is_done(
    command: Command, locally: Run
) -> None:
    words = ("explainer=token_lookup", *SHARDS, *PROCESSES)
    driver = subprocess.Popen(
        command.subprocess(*words),
        cwd=command.folder,
        env=child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    results = command.folder / "results"
    while driver.poll() is None and not list(results.rglob("block-*.jsonl")):
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert command.folders() == []
    check_same(command.finished(*words), locally)


@pytest.mark.slow
def test_a_full_disk_in_a_worker_is_one_sentence_and_the_run_continues(
    command: Command, tmp_path: Path, locally: Run
) -> None:
    mark = tmp_path / "full"
    mark.touch()
    words = ("explainer._target_=tests.runs.dying.DiskFull", f"+explainer.mark={mark}")
    message = command.run(*words, *SHARDS, *PROCESSES).message
    assert "the disk is full; free some space, then repeat the same command" in message
    mark.unlink()
    run = command.finished(*words, *SHARDS, *PROCESSES)
    assert run.record.timings["resumed_blocks"] >= 1
    assert table(run) == table(locally)


def test_a_run_that_another_driver_holds_is_refused(command: Command, locally: Run) -> None:
    folder = command.folder / "results" / locally.folder.relative_to(locally.folder.parents[3])
    (folder / "unfinished").mkdir(parents=True)
    with FileLock(folder / "unfinished" / "lock"):
        message = command.run("explainer=token_lookup", *SHARDS, *PROCESSES).message
    assert "another process is writing the run in" in message


def test_a_class_that_workers_cannot_import_is_refused_before_anything_runs(
    command: Command,
) -> None:
    class OnlyHere(Method):
        """An explainer of a notebook."""

    with pytest.raises(BenchmarkError, match="put the class into a module, or leave engine=local"):
        benchmark.run(
            OnlyHere(),
            model="planted",
            dataset={"name": "stdlib", "max_documents": 160},
            engine="processes",
            results_dir=command.folder / "results",
            cache_dir=command.folder / "cache",
        )
    assert command.folders() == []
