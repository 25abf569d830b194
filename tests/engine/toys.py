"""Small pieces of work that write files, and one that does everything that can go wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.engine import Shard, Work
from benchmark.errors import BenchmarkError
from benchmark.files.atomic import storage_errors, write_text


class OutageError(BenchmarkError):
    """An error of a class of its own, as an endpoint that is down raises."""


class PeculiarError(BenchmarkError):
    """An error that cannot be made again from its text alone."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} {why}")


def shards(n: int, **faults: str) -> list[Shard]:
    """Shards 0 to n - 1; `faults` says what goes wrong in which, as `at_3="die once"`."""
    wrong = {int(name[3:]): fault for name, fault in faults.items()}
    return [Shard(f"shard {i}", {"number": i, "fault": wrong.get(i)}, size=2) for i in range(n)]


def work(folder: Path, **setting: Any) -> Work:
    return Work("tests.engine.toys:open_toy", {"folder": str(folder), **setting}, [str(folder)])


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("*.txt"))}


def expected(n: int, *missing: int) -> dict[str, str]:
    return dict(sorted((f"{i}.txt", f"{i * i}") for i in range(n) if i not in missing))


def open_toy(setting: dict[str, Any]) -> Any:
    folder = Path(setting["folder"])
    if setting.get("refuses"):
        raise OutageError("the endpoint is down.")
    if setting.get("breaks"):
        raise ZeroDivisionError("no ground")
    log(folder, "opened")

    def do(task: dict[str, Any]) -> None:
        number, path = task["number"], folder / f"{task['number']}.txt"
        if path.exists():
            return
        log(folder, f"began {number}")
        with killed(task["fault"], folder, number):
            go_wrong(task["fault"], folder, number)
            time.sleep(setting.get("seconds", 0.0))
            write_text(path, f"{number * number}")

    return do


@contextlib.contextmanager
def killed(fault: str | None, folder: Path, number: int) -> Iterator[None]:
    """Kill this process so many seconds from now as `kill 0.01` says, the first time."""
    what, _, seconds = (fault or "").partition(" ")
    mark = folder / f"{number}.mark"
    if what != "kill" or mark.exists():
        yield
        return
    mark.touch()  # before the clock runs
    timer = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def log(folder: Path, line: str) -> None:
    with open(folder / "log", "a") as file:
        file.write(f"{os.getpid()} {line}\n")


def lines(folder: Path) -> list[tuple[int, str]]:
    """What workers wrote of themselves: their process and what they did."""
    path = folder / "log"
    text = path.read_text() if path.exists() else ""
    return [(int(line.split()[0]), line.split(maxsplit=1)[1]) for line in text.splitlines()]


def gone(process: int, seconds: float = 5.0) -> bool:
    """Whether a process ends before long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def go_wrong(fault: str | None, folder: Path, number: int) -> None:
    if fault is None:
        return
    mark = folder / f"{number}.mark"
    first = not mark.exists()
    mark.touch()
    what, _, when = fault.partition(" ")
    if when == "once" and not first:
        return
    if what == "kill":
        return
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "exit":
        sys.exit(7)
    elif what == "raise":
        raise KeyError("name")
    elif what == "memory":
        raise MemoryError
    elif what == "refuse":
        raise OutageError("the endpoint is down.")
    elif what == "peculiar":
        raise PeculiarError("the moon", "is full.")
    elif what == "full":
        with storage_errors(folder), open("/dev/full", "w") as file:
            file.write("x" * 100_000)
    elif what == "print":
        print("a line on standard output")
        os.system("echo another one")
    else:
        raise AssertionError(fault)
