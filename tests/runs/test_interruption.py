"""Killed at any moment, interrupted, or met by another: a run ends with the same numbers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.results import Run, load_run
from tests.command import Command, call, child_environment, explanations, table
from tests.runs.stopping import STOP_AT, STOP_PIPE

EXPLAINER = "explainer._target_=tests.runs.stopping.Stopping"


class Stopped:
    """A `run` in a process of its own, which waits at a moment to be killed there."""

    def __init__(
        self, command: Command, moment: str, *words: str, explainer: str = EXPLAINER
    ) -> None:
        ours, theirs = os.pipe()
        self.process = subprocess.Popen(
            command.subprocess(explainer, *words),
            cwd=command.folder,
            env={**child_environment(), STOP_AT: moment, STOP_PIPE: str(theirs)},
            pass_fds=[theirs],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(theirs)
        told = os.read(ours, 1)  # empty if the process ends without coming to that moment
        os.close(ours)
        if not told:
            _, err = self.process.communicate()
            pytest.fail(f"the run never came to '{moment}': {err}")

    def end(self, by: signal.Signals) -> tuple[int, str]:
        """Send a signal; returns the exit status and what was written to stderr."""
        self.process.send_signal(by)
        _, err = self.process.communicate()
        return self.process.returncode, err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    return Command(tmp_path_factory.mktemp("undisturbed"), checkpoint, texts).finished(EXPLAINER)


def check_continues(command: Command, undisturbed: Run, saved_blocks: int) -> None:
    answer = command.run(EXPLAINER)
    assert answer.status == 0, answer.err
    told = f"continued: {saved_blocks} blocks were saved by an interrupted run"
    assert (told in answer.out) == (saved_blocks > 0)
    (folder,) = command.folders()
    assert {path.name for path in folder.iterdir()} == {
        "run.json",
        "scores.parquet",
        "explanations.jsonl",
    }
    run = load_run(folder)
    assert run.record.timings["resumed_blocks"] == saved_blocks
    assert table(run) == table(undisturbed)
    assert explanations(run) == explanations(undisturbed)
    assert run.record.run_id == undisturbed.record.run_id
    differing = {
        name
        for name, entry in run.record.summary.items()
        if entry != undisturbed.record.summary[name] and "seconds" not in name
    }
    assert differing == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "saved_blocks"),
    [
        ("/profile/", 0),  # the first file of the cache
        ("block-000001", 1),
        ("run.json", 4),
    ],
)
def test_killed_and_continued(
    command: Command, undisturbed: Run, moment: str, saved_blocks: int
) -> None:
    stopped = Stopped(command, moment)
    status, _ = stopped.end(signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert command.folders() == []  # nothing there that could be taken for a finished run
    check_continues(command, undisturbed, saved_blocks)


@pytest.mark.slow
def test_met_by_a_second_process_interrupted_and_continued(
    command: Command, undisturbed: Run
) -> None:
    stopped = Stopped(command, "explaining layer 1")
    try:
        message = command.run(EXPLAINER).message
        assert "another process is writing the run in" in message
        assert "results/small/text/Stopping/" in message
        # An unfinished run is told from none, and another run goes on beside it.
        folder = next((command.folder / "results").rglob("unfinished")).parent
        assert "is unfinished; repeat the command" in call("show", str(folder)).message
        assert command.run("explainer=zero").status == 0
    finally:
        status, err = stopped.end(signal.SIGINT)
    assert status == 130
    assert err.strip() == "interrupted; the same command continues where it stopped."
    shutil.rmtree(command.folder / "results" / "small" / "text" / "zero")
    check_continues(command, undisturbed, 2)


def test_an_interruption_in_this_process(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmark.evaluation.shards

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark.evaluation.shards, "explain_block", interrupted)
    answer = command.run("explainer=zero")
    assert answer.status == 130
    assert answer.err.strip() == "interrupted; the same command continues where it stopped."
    monkeypatch.undo()
    monkeypatch.chdir(command.folder)
    sweep = command.run("-m", "explainer=zero,mean")
    assert sweep.status == 0
    monkeypatch.setattr(benchmark.evaluation.shards, "explain_block", interrupted)
    # One Ctrl-C ends a sweep, not one job of it.
    sweep = command.run("-m", "explainer=random,shuffled")
    assert sweep.status == 130
    assert len(command.folders()) == 2


def test_a_damaged_block_of_an_interrupted_run_is_made_again(
    command: Command, undisturbed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import benchmark.scorers.simulation

    score, calls = benchmark.scorers.simulation.score_block, []

    def interrupted_later(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return score(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(benchmark.scorers.simulation, "score_block", interrupted_later)
        assert command.run(EXPLAINER).status == 130
    unfinished = next((command.folder / "results").rglob("unfinished"))
    block = unfinished / "block-000001.jsonl"
    block.write_bytes(block.read_bytes().replace(b'"ok"', b'"no"', 1))
    (unfinished / "block-000009.jsonl.0a1b2c3d.partial").write_bytes(b"left behind")
    check_continues(command, undisturbed, 2)


IMPORTS = """
import os, signal, sys
from benchmark.cli.imports import import_whole
sys.path.insert(0, sys.argv[1])
handler = signal.getsignal(signal.SIGINT)
import_whole("json")
assert signal.getsignal(signal.SIGINT) is handler
import_whole("interrupts_itself")
print("went on")
"""


def test_an_interruption_while_libraries_are_imported(tmp_path: Path) -> None:
    """There it must not be raised: it would abort the process inside a library."""
    module = tmp_path / "interrupts_itself.py"
    module.write_text(
        "import os, signal\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    for _ in range(1000): pass\n"
        "except KeyboardInterrupt:\n"
        "    print('raised')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(tmp_path)],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr == "\ninterrupted before anything was begun.\n"
