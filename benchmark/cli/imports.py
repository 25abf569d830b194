"""Imports that can go wrong: hidden packages of ours, and libraries that take seconds."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmark.errors import BenchmarkError

INTERRUPTED = 130
PACKAGES = ("configs", "explainers", "metrics")


def check_packages() -> None:
    """Check that the packages beside this one are ours.

    `python -m` looks into the current folder first, where somebody may keep a metrics.py.

    Raises:
        BenchmarkError: another module of that name is found before ours.
    """
    root = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        origin = found.origin if found is not None else None
        if origin is None or Path(origin).resolve().parents[1] != root:
            raise BenchmarkError(
                f"the benchmark's package '{name}' is hidden by {origin or 'another one'}; "
                "run from another folder, or by the command neuron-benchmark."
            )


def import_whole(*names: str) -> None:
    """Import modules; Ctrl-C meanwhile ends the process at once.

    A KeyboardInterrupt raised inside the initialisation of a C++ library aborts the process with
    a message of that library's. Nothing has been begun yet that would have to be put in order.
    """
    if threading.current_thread() is not threading.main_thread():
        handled = None  # only the main thread may say what a signal does
    else:
        handled = signal.signal(signal.SIGINT, _leave)
    try:
        for name in names:
            importlib.import_module(name)
    finally:
        if handled is not None:
            signal.signal(signal.SIGINT, handled)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"\ninterrupted before anything was begun.\n")
    os._exit(INTERRUPTED)
