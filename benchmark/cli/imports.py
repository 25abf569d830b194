"""Imports of libraries that take seconds."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


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
