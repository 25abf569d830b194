"""Modules of other people: importing one may raise anything, and ends no more than itself."""

from __future__ import annotations

import importlib
import signal
import threading
from types import FrameType, ModuleType


class ForeignImportError(Exception):
    """A module cannot be imported; the message says what it raised."""


def import_foreign(name: str) -> ModuleType:
    """Import a module that this package does not vouch for.

    `SystemExit` and `KeyboardInterrupt` that the module raises by itself are failures like others.
    Ctrl-C still ends the program.

    Raises:
        ForeignImportError: the module raised something, or is not there.
        KeyboardInterrupt: the user pressed Ctrl-C.
    """
    pressed = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    handled = signal.signal(signal.SIGINT, note) if in_main else None
    try:
        return importlib.import_module(name)
    except BaseException as error:
        if pressed or (isinstance(error, KeyboardInterrupt) and not in_main):
            raise KeyboardInterrupt from None
        raise ForeignImportError(" ".join(f"{type(error).__name__}: {error}".split())) from error
    finally:
        if handled is not None:
            signal.signal(signal.SIGINT, handled)
