"""The terminal that all verbs write to: what would act on it is spelt out, to be read."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from benchmark.token_text import printable

# How a progress bar moves between lines; it begins its own line with a carriage return.
_MOVE = re.compile(r"\n*(\x1b\[A)*")


class VisibleStream:
    """A text stream on which nothing acts but line ends and tabs; all else is the stream's own.

    Names, errors and docstrings of foreign files and plug-ins reach it in many ways. One place
    that spells out what they hold is one that cannot be forgotten.

    Args:
        stream: where the text goes.
        bars: let progress bars return to the beginning of their line, which is all they need.
    """

    def __init__(self, stream: TextIO, *, bars: bool = False) -> None:
        self.stream = stream
        self._bars = bars

    def write(self, text: str) -> int:
        """Write text, spelt out; returns the length of what was given."""
        if self._bars and _MOVE.fullmatch(text):
            self.stream.write(text)
        elif self._bars and text.startswith("\r"):
            self.stream.write("\r" + printable(text[1:]))
        else:
            self.stream.write(printable(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream)


@contextlib.contextmanager
def visible_output() -> Iterator[None]:
    """Spell out whatever is written to stdout and stderr and would act on a terminal."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if stream is None or isinstance(stream, VisibleStream) else _visible(stream, bars)
        for stream, bars in zip(before, (False, True), strict=True)
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def write_styled(text: str) -> None:
    """Write text to stdout that holds styles of ours; whoever calls made the rest printable."""
    stream = sys.stdout
    (stream.stream if isinstance(stream, VisibleStream) else stream).write(text)


def _visible(stream: TextIO, bars: bool) -> TextIO:
    return cast(TextIO, VisibleStream(stream, bars=bars))
