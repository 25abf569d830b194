"""Journal of a block under construction: what is explained, saved before the block is complete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.files.atomic import storage_errors
from benchmark.files.reading import parse_json_line
from benchmark.results.encoding import compact

JOURNALS = "explained-*.jsonl"


def journal_path(folder: Path, block: int) -> Path:
    """Return where the journal of block `block` of an unfinished run is kept."""
    return folder / f"explained-{block:06d}.jsonl"


class Journal:
    """Entries of a file that grows: each line begins with the SHA-256 of the rest of it.

    A process killed at any moment leaves all entries that `append` had returned for. A line that
    is not whole, and what follows it, is dropped when the file is opened again.

    Attributes:
        entries: what is saved, JSON values, in the order of writing.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Read the entries of a file that begins with the line `head`; of another file, none.

        Raises:
            BenchmarkError: the file cannot be read.
        """
        self._path = path.absolute()  # an explainer may change the current folder
        self._head = _line(head)
        self.entries: list[dict[str, Any]] = []
        self._ends = [0]
        with storage_errors(path.parent):
            if path.exists():
                with open(path, "rb") as file:
                    if file.readline() == self._head:
                        self._read(file.readlines())

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Save entries; when this returns they are on the disk.

        Raises:
            BenchmarkError: the file cannot be written.
        """
        lines = [_line(entry) for entry in entries]
        mode = "r+b" if self._path.exists() else "xb"
        with storage_errors(self._path.parent), open(self._path, mode) as file:
            if self._ends == [0]:
                file.write(self._head)
                self._ends = [len(self._head)]
            file.seek(self._ends[-1])
            file.truncate()
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        for line, entry in zip(lines, entries, strict=True):
            self._ends.append(self._ends[-1] + len(line))
            self.entries.append(dict(entry))

    def forget(self, kept: int = 0) -> None:
        """Forget all entries but the first `kept`."""
        del self.entries[kept:], self._ends[kept + 1 :]
        with storage_errors(self._path.parent):
            if self._path.exists():
                os.truncate(self._path, self._ends[-1])

    def _read(self, lines: Sequence[bytes]) -> None:
        self._ends = [len(self._head)]
        for line in lines:
            digest, _, text = line.removesuffix(b"\n").partition(b" ")
            if not line.endswith(b"\n") or digest != _digest(text):
                return
            self.entries.append(parse_json_line(text, f"'{self._path}'"))
            self._ends.append(self._ends[-1] + len(line))


def _line(entry: Mapping[str, Any]) -> bytes:
    text = compact(entry).encode()
    return b"%s %s\n" % (_digest(text), text)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
