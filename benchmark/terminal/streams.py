"""Standard output and standard error that end without ending the work."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from benchmark.terminal.visible_output import VisibleStream

TITLES = {"stdout": "standard output", "stderr": "standard error"}
DESCRIPTORS = {"stdout": 1, "stderr": 2}


class Output(io.RawIOBase):
    """A file descriptor that takes everything: what cannot be written is dropped.

    Closing it leaves the descriptor open, which is everybody's.
    """

    def __init__(self, descriptor: int, refusals: list[OSError] | None = None) -> None:
        self._descriptor = descriptor
        self._refusals: list[OSError] = [] if refusals is None else refusals

    @property
    def error(self) -> OSError | None:
        """Return the first refusal, None while everything is written."""
        return self._refusals[0] if self._refusals else None

    def again(self) -> Output:
        """Return the same output, open, after somebody closed it."""
        return Output(self._descriptor, self._refusals)

    def writable(self) -> bool:
        """Return true, also when nobody reads any more."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether a person reads it."""
        return self.error is None and os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        """Write bytes, or drop them."""
        size = memoryview(data).nbytes
        if self.error is None:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                raise
            except OSError as error:
                self._refusals.append(error)
        return size


def text_of(raw: Output, encoding: str | None = None) -> io.TextIOWrapper:
    """Return a text stream that writes to an output; letters it lacks are spelt out."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding or "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


@contextlib.contextmanager
def lasting_output() -> Iterator[list[Output]]:
    """Let a closed or broken standard output or error end no work.

    Yields:
        Standard output, if it is a file descriptor's; its `error` says whether it was cut off.
    """
    closed = [number for number in (0, 1, 2) if _identity(number) is None]
    _occupy(closed)
    before = {name: getattr(sys, name) for name in DESCRIPTORS}
    outputs: dict[str, Output] = {}
    for name, descriptor in DESCRIPTORS.items():
        stream = before[name]
        if stream is None or descriptor in closed:
            outputs[name] = Output(descriptor, [OSError(errno.EBADF, os.strerror(errno.EBADF))])
        elif isinstance(stream, io.TextIOWrapper) and _number(stream) == descriptor:
            stream.flush()
            outputs[name] = Output(descriptor)
        else:
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
            continue
        setattr(sys, name, text_of(outputs[name], getattr(stream, "encoding", None)))
    try:
        yield [outputs[name] for name in outputs if name == "stdout"]
    finally:
        for name in outputs:
            with contextlib.suppress(OSError, ValueError):
                getattr(sys, name).flush()
            setattr(sys, name, before[name])


class Stream:
    """A standard stream as it is when this is made, to be put back if somebody closes it."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.title = TITLES[name]
        self._name = name
        self._descriptor = descriptor
        self._stream = getattr(sys, name)
        self._identity = _identity(descriptor)
        self._kept = None if self._identity is None else os.dup(descriptor)

    def restore(self) -> bool:
        """Put it back; whether it was closed, or its descriptor leads elsewhere."""
        changed = False
        if self._kept is not None:
            if _identity(self._descriptor) != self._identity:
                os.dup2(self._kept, self._descriptor)
                changed = True
            os.close(self._kept)
            self._kept = None
        stream = self._stream
        if stream is not None and getattr(stream, "closed", False):
            changed = True
            if isinstance(stream, VisibleStream):
                stream.stream = cast(TextIO, _again(stream.stream, self._descriptor))
            else:
                stream = _again(stream, self._descriptor)
        setattr(sys, self._name, stream)
        return changed


def _again(closed: object, descriptor: int) -> io.TextIOBase:
    """Return a stream instead of one that was closed."""
    try:
        raw = closed.buffer.raw  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        raw = None
    if isinstance(raw, Output):
        return text_of(raw.again(), getattr(closed, "encoding", None))
    if isinstance(closed, io.TextIOWrapper) and _identity(descriptor) is not None:
        return text_of(Output(descriptor))
    return io.StringIO()


def _occupy(closed: list[int]) -> None:
    """Open the null device where a standard descriptor is closed: a file of ours would be it."""
    for _ in closed:
        # The lowest free number, which is the closed one.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _identity(descriptor: int) -> tuple[int, int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_rdev


def _number(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None
