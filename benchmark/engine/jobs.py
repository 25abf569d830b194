"""Engine `submitit`: shards run in jobs of SLURM, which take them from a folder that all see."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmark.engine.extras import extra_missing
from benchmark.engine.job import Job
from benchmark.engine.options import SubmititOptions
from benchmark.engine.queue_folder import CLOSED, QueueFolder
from benchmark.engine.work import Answer, Died, Shard, Work
from benchmark.engine.worker import Tickets
from benchmark.errors import BenchmarkError, described
from benchmark.token_text import one_line

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_END = 5.0
PATIENCE = 60.0  # seconds without a sign of the other side
MOST_BARREN = 3  # jobs in a row that end before they have taken a shard


class JobsEngine:
    """Submits jobs and looks after them; one that ends early is replaced while shards are left.

    Args:
        options: of the jobs.
        folder: where the queue is made; all machines see it.
        patience: seconds after which jobs give up a driver that shows no life.

    Raises:
        BenchmarkError: submitit is not installed, or there is no SLURM here.
    """

    def __init__(self, options: SubmititOptions, folder: Path, patience: float = PATIENCE) -> None:
        _check(options)
        self.workers = options.workers
        self._options = options
        self._folder = folder
        self._patience = patience
        self._tickets = Tickets("submitit")
        self._jobs: dict[str, Any] = {}
        self._ended: dict[str, str] = {}
        self._fruitful: set[str] = set()
        self._barren = 0
        self._maps = 0
        self._left = threading.Event()
        self._keep = False

    def __enter__(self) -> JobsEngine:
        """Make the queue; jobs are submitted with the first shard."""
        from submitit import AutoExecutor

        self._queue = QueueFolder.made(self._folder)
        self.logs = self._queue.folder / "logs"
        self._executor = AutoExecutor(folder=str(self.logs), cluster=self._options.cluster)
        self._executor.update_parameters(**_parameters(self._options))
        threading.Thread(target=self._show_life, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all jobs and remove the queue; its logs stay where jobs would not start."""
        self._left.set()
        with contextlib.suppress(OSError):
            self._queue.show(CLOSED)
        if self._options.cluster == "local":  # they see it before long
            deadline = time.monotonic() + SECONDS_TO_END
            while time.monotonic() < deadline and not all(job.done() for job in self._running()):
                time.sleep(SECONDS_BETWEEN_LOOKS)
        for job in self._running():
            if not job.done():
                with contextlib.suppress(Exception):
                    job.cancel(check=False)
        self._tickets.close()
        if not self._keep:
            self._queue.remove()

    def map(self, work: Work, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Answer]]:
        """Yield each shard when its answer is there or the job that had it has ended.

        Raises:
            BenchmarkError: no jobs can be submitted, or they end before they do anything.
        """
        ticket = self._tickets.of(work)
        self._maps += 1
        left = {f"{self._maps}-{number}": shard for number, shard in enumerate(shards)}
        try:
            for name, shard in left.items():
                self._queue.put(name, ticket, shard.task)
            while left:
                self._note_ended()
                for name, job, answer in self._queue.answers():
                    self._fruitful.add(job)
                    if name in left:
                        self._barren = 0
                        yield left.pop(name), answer
                for name, job in self._queue.taken():
                    self._fruitful.add(job)
                    if job in self._ended:
                        self._queue.drop(name, job)
                        if name in left:
                            yield left.pop(name), Died(f"job {job} ended: {self._ended[job]}")
                if left:
                    self._submit(min(self.workers, len(left)) - len(self._running()))
                    time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            self._queue.withdraw()

    def _running(self) -> list[Any]:
        return [job for name, job in self._jobs.items() if name not in self._ended]

    def _note_ended(self) -> None:
        """Note which jobs have ended and how.

        Raises:
            BenchmarkError: several in a row failed before they took a shard.
        """
        for job in self._running():
            if not job.done():
                continue
            self._ended[job.job_id] = str(job.state).lower()
            self._fruitful |= {name for _, name in self._queue.taken()}
            error = None if job.job_id in self._fruitful else _error(job)
            if error is None:
                continue
            self._barren += 1
            if self._barren >= MOST_BARREN:
                self._keep = True
                raise BenchmarkError(
                    f"jobs of engine=submitit end before they do anything ({job.state.lower()}): "
                    f"{_last_error(error)}; their logs are in '{self.logs}'."
                )

    def _submit(self, count: int) -> None:
        """Submit jobs, several as one array."""
        if count <= 0:
            return
        job = Job(self._queue.folder, self._patience, self._options.cpus_per_task)
        try:
            with self._spared_from_ctrl_c(), self._executor.batch():
                submitted = [self._executor.submit(job) for _ in range(count)]
            self._jobs |= {job.job_id: job for job in submitted}
        except Exception as error:  # what sbatch refuses, and what submitit does
            raise BenchmarkError(
                f"the jobs cannot be submitted: {described(error)[-300:]}; see the options "
                "engine.partition, engine.account and engine.parameters."
            ) from error

    @contextlib.contextmanager
    def _spared_from_ctrl_c(self) -> Iterator[None]:
        """Have processes that stand for jobs ignore Ctrl-C in a terminal; the driver ends them."""
        main = threading.current_thread() is threading.main_thread()
        if not main or self._options.cluster != "local":
            yield
            return
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _show_life(self) -> None:
        count = 0
        while not self._left.wait(self._patience / 6):
            count += 1
            with contextlib.suppress(OSError):
                self._queue.show(str(count))


def _error(job: Any) -> str | None:
    """Return what submitit or the job itself says went wrong; None where nothing did."""
    if not job.paths.result_pickle.exists():
        return job.stderr() or "it left no word"
    error = job.exception()
    return None if error is None else str(error)


def _last_error(text: str) -> str:
    """Return the last line that names an error in what submitit says of a job, else the first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return one_line((errors or lines[:1])[-1])[:300]


def _check(options: SubmititOptions) -> None:
    if importlib.util.find_spec("submitit") is None:
        raise extra_missing("submitit")
    if options.cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise BenchmarkError(
            "engine=submitit needs SLURM, and this machine has no sbatch; start the run where jobs "
            "are submitted, or try it out with engine.cluster=local."
        )


def _parameters(options: SubmititOptions) -> dict[str, Any]:
    """Return what submitit calls the options; what is None is left to SLURM."""
    parameters = {
        "name": "neuron-benchmark",
        "timeout_min": options.timeout_min,
        "cpus_per_task": options.cpus_per_task,
        "mem_gb": options.mem_gb,
        "gpus_per_node": options.gpus_per_node,
        "slurm_partition": options.partition,
        "slurm_account": options.account,
        "slurm_qos": options.qos,
        "slurm_additional_parameters": dict(options.parameters) or None,
    }
    return {key: value for key, value in parameters.items() if value is not None}
