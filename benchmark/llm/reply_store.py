"""Kept answers of language models: an SQLite file, in which each stands as soon as it arrives."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.interface import Usage

FOLDER, FILE = "llm", "replies.sqlite"  # in the cache
AT_ONCE = 500  # keys of one query
PATIENCE = 60.0  # seconds that a process waits for another one that writes
_TABLES = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, reply TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (
    session TEXT PRIMARY KEY, tokens INTEGER NOT NULL, usd REAL NOT NULL,
    reserved_tokens INTEGER NOT NULL, reserved_usd REAL NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
"""


def reply_file(cache_folder: Path) -> Path:
    """Return the file of a cache that holds the answers of language models."""
    return cache_folder / FOLDER / FILE


class ReplyStore:
    """Answers by the digest of what was asked, shared by all processes that use one cache.

    Several processes may read and write at once. The file is opened when it is first needed.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def read(self, keys: Sequence[str]) -> dict[str, tuple[str, Usage]]:
        """Return the answers that are kept, as their JSON text and what they cost, by key.

        Raises:
            BenchmarkError: the file cannot be read, or is damaged.
        """
        found: dict[str, tuple[str, Usage]] = {}
        if not self.path.exists():
            return found
        columns = "key, reply, prompt_tokens, cached_tokens, completion_tokens, usd"
        with self._opened() as connection:
            for start in range(0, len(keys), AT_ONCE):
                part = list(keys[start : start + AT_ONCE])
                places = ",".join("?" * len(part))
                rows = connection.execute(
                    f"SELECT {columns} FROM replies WHERE key IN ({places})", part
                )
                found.update({row[0]: (row[1], Usage(*row[2:])) for row in rows})
        return found

    def keep(self, key: str, model: str, reply: str, usage: Usage) -> bool:
        """Keep an answer; return False where another process has kept one meanwhile.

        Raises:
            BenchmarkError: it cannot be written.
        """
        spent = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.usd)
        with self._opened() as connection:
            done = connection.execute(
                "INSERT OR IGNORE INTO replies VALUES (?,?,?,?,?,?,?,?)",
                (key, model, reply, *spent, time.time()),
            )
        return done.rowcount == 1

    def reserve(
        self, session: str, usage: Usage, most_tokens: int | None, most_usd: float | None
    ) -> bool:
        """Reserve what a request may cost; return False where that would pass a limit.

        Raises:
            BenchmarkError: the file cannot be written.
        """
        with self._opened() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO spending VALUES (?,0,0,0,0,?)", (session, time.time())
            )
            done = connection.execute(
                "UPDATE spending SET reserved_tokens = reserved_tokens + :tokens, "
                "reserved_usd = reserved_usd + :usd WHERE session = :session "
                "AND (:most_tokens IS NULL OR tokens + reserved_tokens + :tokens <= :most_tokens) "
                "AND (:most_usd IS NULL OR usd + reserved_usd + :usd <= :most_usd)",
                {
                    "session": session,
                    "tokens": usage.tokens,
                    "usd": usage.usd,
                    "most_tokens": most_tokens,
                    "most_usd": most_usd,
                },
            )
        return done.rowcount == 1

    def settle(self, session: str, reserved: Usage, spent: Usage) -> None:
        """Count what a request cost in the place of what was reserved for it.

        Raises:
            BenchmarkError: the file cannot be written.
        """
        with self._opened() as connection:
            connection.execute(
                "UPDATE spending SET tokens = tokens + ?, usd = usd + ?, "
                "reserved_tokens = reserved_tokens - ?, reserved_usd = reserved_usd - ? "
                "WHERE session = ?",
                (spent.tokens, spent.usd, reserved.tokens, reserved.usd, session),
            )

    def spent(self, session: str) -> tuple[int, float]:
        """Return the tokens and the US dollars that were spent, without what is reserved."""
        with self._opened() as connection:
            row = connection.execute(
                "SELECT tokens, usd FROM spending WHERE session = ?", (session,)
            ).fetchone()
        return (0, 0.0) if row is None else (int(row[0]), float(row[1]))

    def held(self, older_than: float | None = None) -> list[tuple[str, int, int, float]]:
        """Return what is kept of each model: its name, answers, tokens and US dollars.

        Args:
            older_than: only what was kept so many seconds ago; None for all.

        Raises:
            BenchmarkError: the file cannot be read, or is damaged.
        """
        if not self.path.exists():
            return []
        with self._opened() as connection:
            rows = connection.execute(
                "SELECT model, count(*), sum(prompt_tokens + completion_tokens), sum(usd) "
                "FROM replies WHERE at <= ? GROUP BY model ORDER BY model",
                (_until(older_than),),
            ).fetchall()
        return [(str(row[0]), int(row[1]), int(row[2]), float(row[3])) for row in rows]

    def remove(self, older_than: float | None = None) -> int:
        """Remove what is kept, for good; return how many answers were removed.

        Raises:
            BenchmarkError: the file cannot be written, or is damaged.
        """
        if not self.path.exists():
            return 0
        with self._opened() as connection:
            done = connection.execute("DELETE FROM replies WHERE at <= ?", (_until(older_than),))
            connection.execute("VACUUM")
        return done.rowcount

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._readable():
            if self._connection is None or self._process != os.getpid():
                self._connection = self._open()
                self._process = os.getpid()
            yield self._connection

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            # Some network file systems have no shared memory; SQLite then keeps its own journal.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """Make one sentence of what is wrong with the file."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            passing = isinstance(error, sqlite3.OperationalError) and "no such" not in str(error)
            if passing:
                raise BenchmarkError(
                    f"the kept answers in '{self.path}' cannot be used: {error}. Look at the disk "
                    "and the rights of the folder; the same command tries again."
                ) from error
            raise BenchmarkError(
                f"the kept answers in '{self.path}' are damaged ({error}), and nothing of them was "
                "removed, since answers cost money. Repair the file with `sqlite3 <file> .recover`,"
                " or move it away to ask everything again."
            ) from error


def _until(older_than: float | None) -> float:
    """Return until when something was kept that was kept so many seconds ago."""
    return float("inf") if older_than is None else time.time() - older_than
