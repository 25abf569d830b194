"""Folders that all workers share with the driver, shown by a file that the driver leaves there."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import LEFTOVER_SECONDS, storage_errors

TOKEN = ".shared-with-workers-"
SECONDS_TO_APPEAR = 5.0  # a network file system may show a new file late


def leave_token(folder: str) -> str:
    """Write a file that a worker must see, and return its path; old ones of others are removed.

    Raises:
        BenchmarkError: nothing can be written there.
    """
    # Absolute, since workers may stand elsewhere; not resolved, since links may differ there.
    path = Path(os.path.abspath(os.path.expanduser(folder)))
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        for old in path.glob(f"{TOKEN}*"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > LEFTOVER_SECONDS:
                    old.unlink()
        token = path / f"{TOKEN}{secrets.token_hex(4)}"
        token.touch(exist_ok=False)
    return str(token)


def remove_tokens(tokens: Iterable[str]) -> None:
    """Remove files of `leave_token`."""
    for token in tokens:
        with contextlib.suppress(OSError):
            os.unlink(token)


def check_tokens(tokens: Iterable[str], engine: str, worker: str) -> None:
    """Check in a worker that it sees what the driver wrote.

    Raises:
        BenchmarkError: a folder is another one here, or none.
    """
    deadline = time.monotonic() + SECONDS_TO_APPEAR
    for token in tokens:
        while not os.path.exists(token):
            if time.monotonic() > deadline:
                raise BenchmarkError(
                    f"worker {worker} does not see the folder '{os.path.dirname(token)}': with "
                    f"engine={engine} all machines must share it; name one that they share with "
                    "cache_dir=... or results_dir=..."
                )
            with contextlib.suppress(OSError):
                os.listdir(os.path.dirname(token))  # has the file system look again
            time.sleep(0.1)
