"""Explainers whose worker processes are killed; in the process of the test they do nothing."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
from pathlib import Path

from explainers.token_lookup import TokenLookup

TEST_PROCESS = "TEST_PROCESS"  # the number of the process that must survive
LATEST_KILL = 0.05  # seconds after a shard began


def in_worker() -> bool:
    return os.environ[TEST_PROCESS] != str(os.getpid())


def kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KilledAtRandom(TokenLookup):
    """The token lookup; the first shards are killed at a random moment of their first try."""

    def __init__(self, marks: str, kills: int = 20) -> None:
        super().__init__()
        self.marks, self.kills = marks, kills
        if in_worker():
            kill_first_shards(Path(marks), kills)


def kill_first_shards(marks: Path, kills: int) -> None:
    from benchmark.evaluation.shards import RunShards

    call = RunShards.__call__

    def dangerous(self, task):
        name = getattr(task, "name", None) or f"block {task.block.index}"
        mark = marks / name
        if mark.exists() or len(list(marks.iterdir())) >= kills:
            return call(self, task)

        def kill() -> None:
            mark.touch()
            kill_this_process()

        threading.Timer(random.uniform(0, LATEST_KILL), kill).start()
        call(self, task)
        return kill()  # its file is written, and nobody was told

    RunShards.__call__ = dangerous


class KillsWithNeuron(TokenLookup):
    """The token lookup; a worker that is asked about a neuron dies, every time."""

    def __init__(self, neuron: str) -> None:
        super().__init__()
        self.neuron = neuron

    def explain(self, evidence, subject):
        names = [f"{evidence.layer}.{neuron}" for neuron in evidence.neurons.tolist()]
        if in_worker() and self.neuron in names:
            kill_this_process()
        return super().explain(evidence, subject)


class DiskFull(TokenLookup):
    """The token lookup; while a mark is there, a worker that writes a block finds no room."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark = mark
        replace = os.replace

        def full(source, target, **options):
            if Path(mark).exists() and "block-000002" in str(target) and in_worker():
                raise OSError(errno.ENOSPC, "No space left on device")
            replace(source, target, **options)

        if in_worker():
            os.replace = full
