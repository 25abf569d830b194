"""Engine `processes`: shards run in processes of this machine, each with its part of the cores."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from benchmark.engine.machine import cores
from benchmark.engine.work import Answer, Died, Shard, Work
from benchmark.engine.worker import Ticket, Tickets

SECONDS_TO_END = 3.0
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Started so that the main module of the driver is not run again, which a script may not expect.
START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from benchmark.engine.child import main; main()"
)


class ProcessesEngine:
    """Runs shards in processes; each has pipes of its own, so one that dies costs its shard alone.

    A thread of the driver waits for each process. A process ends by itself when its pipe closes,
    which the operating system does however the driver ends.

    Args:
        workers: how many processes.
        devices: CUDA devices that are dealt out to them; empty where there are none.
    """

    def __init__(self, workers: int, devices: Sequence[str] = ()) -> None:
        self.workers = workers
        self._tickets = Tickets("processes")
        self._slots = [_Slot(_environment(number, workers, devices)) for number in range(workers)]

    def __enter__(self) -> ProcessesEngine:
        """Return the engine; a process starts with its first shard."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes, whatever they do."""
        deadline = time.monotonic() + SECONDS_TO_END
        for slot in self._slots:
            slot.interrupt()
        for slot in self._slots:
            slot.end(deadline)
        self._tickets.close()

    def map(self, work: Work, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Answer]]:
        """Yield each shard when it is done or its process died."""
        ticket = self._tickets.of(work)
        waiting = deque(shards)
        answers: SimpleQueue[tuple[Shard, Answer | BaseException]] = SimpleQueue()
        for slot in self._slots[: len(shards)]:
            arguments = (ticket, waiting, answers)
            threading.Thread(target=slot.serve, args=arguments, daemon=True).start()
        try:
            for _ in range(len(shards)):
                shard, answer = answers.get()
                if isinstance(answer, BaseException):
                    raise answer
                yield shard, answer
        finally:
            waiting.clear()


class _Slot:
    """The place of one worker: its process, and the one that takes its place if it dies."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._busy = threading.Lock()  # a shard of the last map may still run
        self._starting = threading.Lock()

    def serve(
        self,
        ticket: Ticket,
        waiting: deque[Shard],
        answers: SimpleQueue[tuple[Shard, Answer | BaseException]],
    ) -> None:
        """Have the process do one waiting shard after another."""
        with self._busy:
            while True:
                try:
                    shard = waiting.popleft()
                except IndexError:
                    return
                try:
                    answers.put((shard, self._answer(ticket, shard.task)))
                except BaseException as error:  # else the driver would wait for ever
                    answers.put((shard, error))

    def _answer(self, ticket: Ticket, task: Any) -> Answer:
        request = pickle.dumps((ticket, task))
        try:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            pickle.dump(request, process.stdin)
            process.stdin.flush()
            answer: Answer = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError, ConnectionError, ValueError, pickle.UnpicklingError):
            return Died(self._reason())
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        with self._starting:
            if self._ended:
                raise EOFError
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", START, json.dumps(sys.path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **self._environment},
                    start_new_session=True,  # Ctrl-C in a terminal is the driver's alone
                )
            return self._process

    def _reason(self) -> str:
        """Return why the process ended, and leave its place empty."""
        process, self._process = self._process, None
        if process is None:
            return "the run has ended"
        _close(process)
        try:
            status = process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:  # its pipe is closed, so it does nothing for us
            _kill(process)
            status = process.wait()
        _kill(process)  # what it started itself
        if status < 0:
            return f"killed by signal {-status}"
        return f"its process ended with status {status}"

    def interrupt(self) -> None:
        """Ask the process to end, and start none any more."""
        with self._starting:
            self._ended = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for the process until a time of `time.monotonic`, then kill it."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        _kill(process)
        process.wait()
        with self._busy:
            _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            assert stream is not None
            stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _environment(number: int, workers: int, devices: Sequence[str]) -> dict[str, str]:
    """Return what is different in the environment of one worker."""
    most = os.environ.get("OMP_NUM_THREADS", "")
    threads = max(1, cores() // workers)
    threads = min(threads, int(most)) if most.isdecimal() and int(most) else threads
    changed = {name: str(threads) for name in THREADS}
    changed["TQDM_DISABLE"] = "1"  # the driver draws the one bar
    if devices:
        changed["CUDA_VISIBLE_DEVICES"] = devices[number % len(devices)]
    return changed
