"""Engine `ray`: shards run as stateless tasks of a Ray cluster, or of a Ray started here."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from benchmark.engine.extras import extra_missing
from benchmark.engine.options import RayOptions
from benchmark.engine.work import Answer, Died, Refused, Shard, Work
from benchmark.engine.worker import Ticket, Tickets, Worker
from benchmark.errors import BenchmarkError, described

SECONDS_BETWEEN_LOOKS = 1.0
PATIENCE = 60.0  # seconds without a machine that a task fits on
HERE = "local"  # Ray's address for a cluster that starts and ends with the driver

_WORKER = Worker()  # of a process of Ray, which runs many tasks


def run_task(ticket: Ticket, task: Any) -> Answer:
    """Return what comes of a task; runs in a process of Ray."""
    return _WORKER.answer(ticket, task)


class RayEngine:
    """Keeps as many tasks in flight as there are workers; a machine that is lost costs its shards.

    Tasks and not actors: an actor whose machine is lost may find no place to start again, and what
    was handed to it would never come back.

    Args:
        options: where Ray is and what a task needs.
        gpus: whether tasks may take GPUs.
        patience: seconds to wait for a machine that a task fits on, if there is none.

    Raises:
        BenchmarkError: Ray is not installed.
    """

    def __init__(
        self, options: RayOptions, *, gpus: bool = True, patience: float = PATIENCE
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise extra_missing("ray") from error
        self._ray = ray
        self._options = options
        self._may_take_gpus = gpus
        self._patience = patience
        self._tickets = Tickets("ray")
        self._silenced = contextlib.ExitStack()
        self.workers = options.workers or 1

    def __enter__(self) -> RayEngine:
        """Connect to the cluster, or start Ray on this machine.

        Raises:
            BenchmarkError: the cluster does not answer.
        """
        self._started = not self._ray.is_initialized()
        if self._started:
            self._silenced.enter_context(_silent_raylet())
            self._silenced.enter_context(_kept_handler())
            self._connect()
        self._needs = {"CPU": float(self._options.num_cpus), "GPU": self._gpus()}
        self.workers = self._options.workers or max(1, self._room())
        # A process is kept from task to task, with the work that it opened, also where it has a
        # GPU; Ray's own default for those is a new process for each task.
        self._task = self._ray.remote(
            num_cpus=self._needs["CPU"], num_gpus=self._needs["GPU"], max_retries=0, max_calls=0
        )(run_task)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what was started here, and leave a cluster of others as it was."""
        self._tickets.close()
        with self._silenced:
            if self._started:
                self._ray.shutdown()

    def map(self, work: Work, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Answer]]:
        """Yield each shard when its task has ended.

        Raises:
            BenchmarkError: for a while no machine has what a task needs.
        """
        ticket = self._ray.put(self._tickets.of(work))
        waiting = deque(shards)
        flying: dict[Any, Shard] = {}
        fitting = time.monotonic()
        try:
            while waiting or flying:
                while waiting and len(flying) < self.workers:
                    shard = waiting.popleft()
                    flying[self._task.remote(ticket, shard.task)] = shard
                ready, _ = self._ray.wait(list(flying), timeout=SECONDS_BETWEEN_LOOKS)
                for reference in ready:
                    yield flying.pop(reference), self._answer(reference)
                if ready or self._room():
                    fitting = time.monotonic()
                elif time.monotonic() - fitting > self._patience:
                    raise BenchmarkError(
                        f"no machine of the Ray cluster has {_listed(self._needs)} for a task; set "
                        "engine.num_cpus and engine.num_gpus to what a machine has."
                    )
        finally:
            for reference in flying:
                self._ray.cancel(reference, force=True)

    def _answer(self, reference: Any) -> Answer:
        errors = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(reference)
        except errors.RayTaskError as error:
            # What a task raises is an answer, so this came before it: code that is not there.
            said = described(error.cause if error.cause is not None else error)[-300:]
            return Refused(BenchmarkError(f"a worker of engine=ray cannot run shards: {said}"))
        except errors.OutOfMemoryError:
            return Died("its machine ran out of memory", surroundings=True)
        except errors.NodeDiedError:
            return Died("its machine was lost")
        except errors.WorkerCrashedError:
            return Died("its process was killed")
        except errors.RayError as error:
            return Died(f"{type(error).__name__}: {described(error)[:200]}")
        return answer

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options = self._options
        here: dict[str, Any] = {"include_dashboard": False}
        if options.workers is not None:
            here["num_cpus"] = options.workers * options.num_cpus
        try:
            self._ray.init(
                address=options.address or HERE,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if options.address else here),
            )
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            self._silenced.close()
            raise BenchmarkError(
                f"engine.address={options.address or 'null'}: Ray cannot be reached: "
                f"{described(error)[:300]}"
            ) from error

    def _gpus(self) -> float:
        if not self._may_take_gpus:
            return 0.0
        if self._options.num_gpus is not None:
            return float(self._options.num_gpus)
        return float(self._ray.cluster_resources().get("GPU", 0) >= 1)

    def _room(self) -> int:
        """Return how many tasks the machines have room for, those that run among them."""
        return sum(
            int(min(_has(machine, what) / need for what, need in self._needs.items() if need))
            for machine in self._ray.nodes()
            if machine["Alive"]
        )


@contextlib.contextmanager
def _kept_handler() -> Iterator[None]:
    """Put back what this process does on SIGTERM, for which Ray leaves a handler of its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # only the main thread may set one, as Ray may
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _silent_raylet() -> Iterator[None]:
    """Keep what Ray says of killed workers off standard output, where results go."""
    from ray._private import worker

    shown = getattr(worker, "print_to_stdstream", None)
    if shown is None:  # a version that says it elsewhere
        yield
        return
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = shown


def _has(machine: Mapping[str, Any], what: str) -> float:
    return float(machine["Resources"].get(what, 0))


def _listed(needs: Mapping[str, float]) -> str:
    return " and ".join(f"{need:g} {what}" for what, need in needs.items() if need)
