"""Imports that can go wrong: hidden packages of ours, and libraries that take seconds."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import NoReturn

from benchmark.errors import BenchmarkError

INTERRUPTED = 130
PACKAGES = ("configs", "explainers", "leaderboards", "metrics")
ROOT = Path(__file__).resolve().parents[2]


class _OwnPackages(MetaPathFinder):
    """Finds the packages beside this one where they are, whatever the current folder holds."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The place of one of our packages, None for every other module."""
        if path is not None or fullname not in PACKAGES:
            return None
        return PathFinder.find_spec(fullname, [str(ROOT)], target)


def find_own_packages() -> None:
    """Let the packages beside this one be found before others of their names.

    `python -m` looks into the current folder first, where somebody may keep a metrics.py.

    Raises:
        BenchmarkError: another module of that name has been imported already.
    """
    if not any(isinstance(finder, _OwnPackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OwnPackages())
    for name in PACKAGES:
        module = sys.modules.get(name)
        origin = getattr(module, "__file__", None)
        if module is not None and (origin is None or Path(origin).resolve().parents[1] != ROOT):
            raise BenchmarkError(
                f"the benchmark's package '{name}' is hidden by {origin or 'another one'}, which "
                "was imported before; rename that one."
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
