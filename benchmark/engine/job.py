"""Job of `engine=submitit`: takes shards from a queue folder until its driver is done or gone."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from benchmark.engine.queue_folder import CLOSED, QueueFolder
from benchmark.engine.worker import Worker

SECONDS_BETWEEN_LOOKS = 0.2


class Job:
    """What submitit pickles and calls on another machine.

    Args:
        folder: the queue.
        patience: seconds after which a driver that shows no life, or a queue without shards, ends
            the job.
        threads: of the arithmetic, unless the environment says otherwise.
    """

    def __init__(self, folder: Path, patience: float, threads: int) -> None:
        self.folder = folder
        self.patience = patience
        self.threads = threads
        self._stopping = False

    def __call__(self) -> str:
        """Do shards; return why there are no more."""
        os.environ.setdefault("OMP_NUM_THREADS", str(self.threads))
        queue, job, worker = QueueFolder(self.folder), _job_id(), Worker()
        threading.Thread(target=self._watch, args=(queue, job), daemon=True).start()
        queue.release(job)  # from before it was started again
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < self.patience:
            if queue.shown() == CLOSED:
                return "the driver is done"
            taken = queue.take(job)
            if taken is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                continue
            shard, ticket, task = taken
            answer = worker.answer(ticket, task)
            if self._stopping:
                return "preempted"
            queue.answer(shard, job, answer)
            idle_since = time.monotonic()
        return "no shards"

    def checkpoint(self) -> Any:
        """Give back the shard that is begun, and ask to be run again; submitit calls this."""
        from submitit.helpers import DelayedSubmission

        self._stopping = True
        QueueFolder(self.folder).release(_job_id())
        return DelayedSubmission(Job(self.folder, self.patience, self.threads))

    def _watch(self, queue: QueueFolder, job: str) -> None:
        """End the job, whatever it does, when the driver is done or shows no life."""
        shown, since = queue.shown(), time.monotonic()
        while shown != CLOSED and time.monotonic() - since < self.patience:
            time.sleep(min(1.0, self.patience / 10))
            now = queue.shown()
            if now and now != shown:
                shown, since = now, time.monotonic()
        queue.release(job)
        os._exit(0)


def _job_id() -> str:
    from submitit import JobEnvironment

    return str(JobEnvironment().job_id)
