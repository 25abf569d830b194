"""Isolation of a plug-in's code: it ends no program and changes nothing that others share.

It is a guard against accidents, not a sandbox: code that is run can do whatever its user can.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from benchmark.errors import BenchmarkError, described, named
from benchmark.plugins.shared_state import SharedState

logger = logging.getLogger(__name__)


class EndsProgramError(Exception):
    """A plug-in raised what ends a program, such as SystemExit; the message names it."""


class SharedStateError(BenchmarkError):
    """A plug-in changed something that others share; the message names both."""


class _CtrlC:
    """The handler of Ctrl-C that notes whether it was pressed, and else does what Python's does."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        signal.default_int_handler(number, frame)


def reason_of(error: BaseException) -> str:
    """Return an error's class and what it says, also of one that would have ended the program."""
    return described(error) if isinstance(error, EndsProgramError) else named(error)


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Turn SystemExit, and whatever else would end the program, into an ordinary error.

    The user's own Ctrl-C passes; a KeyboardInterrupt that nobody's Ctrl-C caused does not.

    Raises:
        EndsProgramError: such an error was raised inside.
    """
    with _watched_interrupts() as ctrl_c:
        try:
            yield
        except Exception:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and (ctrl_c is None or ctrl_c.pressed):
                raise
            raise EndsProgramError(f"{named(error)} (it would have ended the program)") from error


@contextlib.contextmanager
def isolated(
    name: str, doing: str, *, warn: bool = False, kind: str = "explainer"
) -> Iterator[None]:
    """Let a plug-in's code run, and put back whatever it changes of what others share.

    Args:
        name: its name, for messages.
        doing: what it does, for messages, such as `while it explains`.
        kind: what it is, for messages.
        warn: say in a warning what was put back, instead of ending the run: libraries change
            things while they are imported, which no author of an explainer can help.

    Raises:
        EndsProgramError: as `contained`.
        SharedStateError: it left something changed, such as the current folder or torch's default
            device. It is as before again; nothing that was computed with it is used.
    """
    with contained():
        before = SharedState()
        try:
            yield
        except BaseException:
            before.restore()
            raise
        changes = " and ".join(before.restore())
    if changes and warn:
        logger.warning(
            "%s '%s' changes %s %s; it is put back, because others share it.",
            kind,
            name,
            changes,
            doing,
        )
    elif changes:
        raise SharedStateError(
            f"{kind} '{name}' changes {changes} {doing} and leaves it so; "
            "others share that: put it back, whatever happens in between."
        )


@contextlib.contextmanager
def _watched_interrupts() -> Iterator[_CtrlC | None]:
    """Note Ctrl-C instead of raising it; yield None where another handler decides what it does."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _CtrlC):
        yield handler
        return
    if handler in (signal.SIG_IGN, signal.SIG_DFL):
        # Ctrl-C raises nothing, as in a program that a shell began in the background.
        yield _CtrlC()
        return
    main = threading.current_thread() is threading.main_thread()
    if not main or handler is not signal.default_int_handler:
        yield None
        return
    ctrl_c = _CtrlC()
    signal.signal(signal.SIGINT, ctrl_c)
    try:
        yield ctrl_c
    finally:
        signal.signal(signal.SIGINT, handler)
