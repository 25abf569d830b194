"""Worker: opens the work that it is handed once, and does its tasks one after another."""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.engine.shared_folders import check_tokens, leave_token, remove_tokens
from benchmark.engine.version import code_version
from benchmark.engine.work import Answer, Died, Done, Refused, Work
from benchmark.errors import BenchmarkError, is_of_surroundings, message_of, named

Do = Callable[[Any], object]


@dataclass(frozen=True)
class Ticket:
    """What a worker is handed with each task: the work, and how to know that it can do it.

    Attributes:
        key: equal for equal works; a worker opens each of them once.
        engine: the name of the engine, for messages.
        opens, setting, version: as in `Work`.
        tokens: files that the worker must see.
        path: the driver's `sys.path`, which modules are looked for on after the worker's own.
    """

    key: str
    engine: str
    opens: str
    setting: Mapping[str, Any]
    version: str
    tokens: tuple[str, ...]
    path: tuple[str, ...]


class Tickets:
    """The tickets that a driver hands out, and the tokens that it left in shared folders."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._tickets: dict[str, Ticket] = {}
        self._tokens: dict[str, str] = {}

    def of(self, work: Work) -> Ticket:
        """Return the ticket of a work, the same one for an equal work.

        Raises:
            BenchmarkError: a folder to share cannot be written to.
        """
        parts = (work.opens, work.setting, tuple(work.shared), work.version)
        key = hashlib.sha256(pickle.dumps(parts)).hexdigest()
        if key not in self._tickets:
            for folder in work.shared:
                if folder not in self._tokens:
                    self._tokens[folder] = leave_token(folder)
            self._tickets[key] = Ticket(
                key,
                self._engine,
                work.opens,
                work.setting,
                work.version,
                tuple(self._tokens[folder] for folder in work.shared),
                tuple(os.path.abspath(entry) for entry in sys.path),
            )
        return self._tickets[key]

    def close(self) -> None:
        """Remove the tokens."""
        remove_tokens(self._tokens.values())
        self._tokens.clear()
        self._tickets.clear()


class Worker:
    """What a worker process keeps between tasks: the work that it opened last."""

    def __init__(self) -> None:
        self._key: str | None = None
        self._do: Do | None = None

    def answer(self, ticket: Ticket, task: Any) -> Answer:
        """Return what comes of a task; no exception of `do` comes out."""
        if ticket.key != self._key or self._do is None:
            self._key, self._do = None, None  # the memory of the last work goes first
            try:
                self._do = open_work(ticket)
            except BenchmarkError as error:
                return Refused(portable(error))
            except Exception as error:
                said = message_of(error) or named(error)
                return Refused(BenchmarkError(f"worker {worker_name()} cannot start: {said}"))
            self._key = ticket.key
        return attempt(self._do, task)


def worker_name() -> str:
    """Return the machine and the process, such as `node7:4711`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def open_work(ticket: Ticket) -> Do:
    """Check that this worker can take part, and return what does the tasks.

    Raises:
        BenchmarkError: it runs other code than the driver, does not see a shared folder, or what
            `opens` itself refuses.
    """
    sys.path.extend(entry for entry in ticket.path if entry not in sys.path)
    if ticket.version != code_version():
        raise BenchmarkError(
            f"worker {worker_name()} runs version {code_version()} of the benchmark and this run "
            f"version {ticket.version}; install the same one on all machines."
        )
    check_tokens(ticket.tokens, ticket.engine, worker_name())
    return opened(ticket.opens, ticket.setting)


def opened(opens: str, setting: Mapping[str, Any]) -> Do:
    """Call `package.module:function` with a setting, and return what it returns."""
    module, _, function = opens.partition(":")
    do: Do = getattr(importlib.import_module(module), function)(setting)
    return do


def attempt(do: Do, task: Any) -> Answer:
    """Return what comes of one task."""
    start = time.perf_counter()
    try:
        do(task)
    except BenchmarkError as error:
        return Refused(portable(error))
    except Exception as error:
        return Died(named(error), is_of_surroundings(error))
    return Done(time.perf_counter() - start, worker_name())


def portable(error: BenchmarkError) -> BenchmarkError:
    """Return an error that another process can read: itself, or one that says the same."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:  # a class of somebody's own may need other arguments, or hold anything
        return BenchmarkError(str(error))
    return error if type(again) is type(error) else BenchmarkError(str(error))
