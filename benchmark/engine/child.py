"""Process of a worker of `engine=processes`: tasks come in by standard input, answers go out."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from queue import SimpleQueue
from typing import BinaryIO

from benchmark.engine.work import Answer, Refused
from benchmark.engine.worker import Worker, worker_name
from benchmark.errors import BenchmarkError, named
from benchmark.terminal.visible_output import visible_output


def main() -> None:
    """Answer tasks until standard input ends, which it does with the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What a library reads or prints must not meet the pipes.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    inbox: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests, inbox), daemon=True).start()
    status = 1
    try:
        with visible_output():
            worker = Worker()
            while True:
                pickle.dump(_answer(worker, inbox.get()), answers)
                answers.flush()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BrokenPipeError:  # the driver reads no more
        pass
    except BaseException as error:
        sys.stderr.write(f"worker {worker_name()} ends: {named(error)}\n")
    finally:
        os._exit(status)  # without waiting for the thread that listens


def _answer(worker: Worker, request: bytes) -> Answer:
    try:
        ticket, task = pickle.loads(request)
    except Exception as error:  # a class that this process cannot import
        reason = f"worker {worker_name()} cannot read its task: {named(error)}"
        return Refused(BenchmarkError(reason))
    return worker.answer(ticket, task)


def _listen(requests: BinaryIO, inbox: SimpleQueue[bytes]) -> None:
    """Pass requests on; end the process, whatever it does, when no more can come."""
    while True:
        try:
            inbox.put(pickle.load(requests))
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)


def _stop(number: int, _: object) -> None:
    """Leave by an exception, so that a file that is being written is removed."""
    raise SystemExit(128 + number)
