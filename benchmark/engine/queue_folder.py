"""Queue of shards in a folder that machines share; a shard changes hands when its file is renamed.

    driver             a number that grows while the driver lives; `closed` when it is done
    tickets/<key>      the works
    waiting/<shard>    the key of its work and its task
    taken/<shard>@<job>   the same file while a job has it
    answers/<shard>@<job> what came of it

A file system renames a file for one process alone, so no shard is taken twice.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.engine.work import Answer
from benchmark.engine.worker import Ticket
from benchmark.files.atomic import (
    LEFTOVER_SECONDS,
    TEMPORARY_SUFFIX,
    storage_errors,
    write_bytes,
)

PREFIX = "queue-"
CLOSED = "closed"


class QueueFolder:
    """The folder, as the driver and the jobs use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._driver = folder / "driver"
        self._tickets = folder / "tickets"
        self._waiting = folder / "waiting"
        self._taken = folder / "taken"
        self._answers = folder / "answers"
        self._known: list[str] = []

    @classmethod
    def made(cls, parent: Path) -> QueueFolder:
        """Make an empty queue below a folder, and remove what drivers left that were killed.

        Raises:
            BenchmarkError: the folder cannot be written to.
        """
        with storage_errors(parent):
            parent.mkdir(parents=True, exist_ok=True)
            for old in parent.glob(f"{PREFIX}*"):
                with contextlib.suppress(OSError):
                    if time.time() - (old / "driver").stat().st_mtime > LEFTOVER_SECONDS:
                        shutil.rmtree(old)
            queue = cls(parent.absolute() / f"{PREFIX}{secrets.token_hex(4)}")
            for folder in (queue._tickets, queue._waiting, queue._taken, queue._answers):
                folder.mkdir(parents=True)
            queue.show("0")
        return queue

    def show(self, state: str) -> None:
        """Show jobs that the driver lives, by another text each time, or that it is done."""
        _write(self._driver, state.encode())

    def shown(self) -> str:
        """Return what the driver showed last; empty where it cannot be read just now."""
        try:
            return self._driver.read_text()
        except OSError:
            return "" if self.folder.is_dir() else CLOSED

    def put(self, shard: str, ticket: Ticket, task: Any) -> None:
        """Have a shard wait for a job."""
        path = self._tickets / ticket.key
        if not path.exists():
            _write(path, pickle.dumps(ticket))
        _write(self._waiting / shard, pickle.dumps((ticket.key, task)))

    def take(self, job: str) -> tuple[str, Ticket, Any] | None:
        """Take a waiting shard for a job; None where there is none."""
        if not self._known:
            self._known = _names(self._waiting)
            random.shuffle(self._known)  # else all jobs would reach for the same one
        while self._known:
            shard = self._known.pop()
            taken = self._taken / f"{shard}@{job}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._waiting / shard, taken)
            # A network may lose the answer to a rename that has happened.
            if taken.exists():
                key, task = pickle.loads(taken.read_bytes())
                return shard, pickle.loads((self._tickets / key).read_bytes()), task
            self._known = [name for name in self._known if (self._waiting / name).exists()]
        return None

    def answer(self, shard: str, job: str, answer: Answer) -> None:
        """Leave what came of a shard, whole and on the disk."""
        write_bytes(self._answers / f"{shard}@{job}", pickle.dumps(answer))
        (self._taken / f"{shard}@{job}").unlink(missing_ok=True)

    def answers(self) -> Iterator[tuple[str, str, Answer]]:
        """Yield shards with their job and what came of them, each once."""
        for name in _names(self._answers):
            path = self._answers / name
            answer: Answer = pickle.loads(path.read_bytes())
            path.unlink(missing_ok=True)
            yield *_split(name), answer

    def taken(self) -> list[tuple[str, str]]:
        """Return the shards that jobs have, each with its job."""
        return [_split(name) for name in _names(self._taken)]

    def release(self, job: str) -> None:
        """Have the shards that a job has wait again."""
        for shard, other in self.taken():
            if other == job:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self._taken / f"{shard}@{job}", self._waiting / shard)

    def drop(self, shard: str, job: str) -> None:
        """Forget a shard that a job had when it ended."""
        (self._taken / f"{shard}@{job}").unlink(missing_ok=True)

    def withdraw(self) -> None:
        """Have no shard wait any more."""
        for shard in _names(self._waiting):
            (self._waiting / shard).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _names(folder: Path) -> list[str]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:  # the driver removed the queue
        return []
    return [name for name in names if not name.endswith(TEMPORARY_SUFFIX)]


def _split(name: str) -> tuple[str, str]:
    shard, _, job = name.partition("@")
    return shard, job


def _write(path: Path, data: bytes) -> None:
    """Write a file that appears whole, without waiting for the disk."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    temporary.write_bytes(data)
    os.replace(temporary, path)
