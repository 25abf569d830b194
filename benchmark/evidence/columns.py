"""Activations of chosen units on disk: files that are found again by the units they hold.

A file holds some units of a layer at some rows of a table such as the sample's contexts, unit
after unit, in chunks of rows. The rows of a table may lie in several files, each written by who
measured them; units may have been measured at different times. Whoever asks for units gets them
wherever they are.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from benchmark.files.tensor_cache import DIGEST, TensorCache
from benchmark.files.tensor_stream import TensorStream

CHUNK_BYTES = 1 << 23  # of one file, held in memory until it is complete
UNITS = "units"
ROWS = "rows"

Part = tuple[int, int]


@dataclass(frozen=True)
class Table:
    """What is stored of every unit of a layer, and in which parts.

    Attributes:
        kind: such as `sample`.
        key: all that determines it, JSON-able.
        parts: the rows `[start, stop)` that each of its files holds, ascending.
        tail: the shape of a row.
        dtype: how a number is stored.
    """

    kind: str
    key: Mapping[str, Any]
    parts: tuple[Part, ...]
    tail: tuple[int, ...]
    dtype: torch.dtype

    @property
    def n_rows(self) -> int:
        """Return how many rows a unit has."""
        return sum(stop - start for start, stop in self.parts)

    @property
    def unit_bytes(self) -> int:
        """Return how many bytes a unit takes on disk."""
        return self.n_rows * math.prod(self.tail) * self.dtype.itemsize

    def determinants(self, units: Int[Tensor, " n"], part: Part) -> dict[str, Any]:
        """Return what determines one file."""
        return {**self.key, UNITS: units_digest(units), ROWS: list(part)}


@dataclass(frozen=True)
class _File:
    path: Path
    digest: str


class Columns:
    """The files of tables in a cache."""

    def __init__(self, cache: TensorCache) -> None:
        self._cache = cache
        # By kind and key, by the digest of the units, by part.
        self._found: dict[str, dict[str, dict[str, dict[Part, _File]]]] = {}
        self._units: dict[Path, Tensor] = {}

    def known(self, table: Table) -> Int[Tensor, " n"]:
        """Return the units of which all parts are on disk, ascending."""
        sets = self._complete(table)
        if not sets:
            return torch.empty(0, dtype=torch.long)
        known: Tensor = torch.cat([units for units, _ in sets]).unique()
        return known

    def missing(self, table: Table, units: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Return those of some units of which a part is not on disk, ascending."""
        units = units.unique()
        left = units[~torch.isin(units, self.known(table))]
        if len(left):  # another process may have measured them meanwhile
            self._found.pop(table.kind, None)
            left = units[~torch.isin(units, self.known(table))]
        return left

    def has(self, table: Table, units: Int[Tensor, " n"], part: Part) -> bool:
        """Return whether the file of exactly these units and this part is on disk."""
        return self._cache.has(table.kind, table.determinants(units, part))

    @contextlib.contextmanager
    def writing(self, table: Table, units: Int[Tensor, " n"], part: Part) -> Iterator[ColumnWriter]:
        """Open the file of some units, ascending, and one part; it is there when the block ends.

        Raises:
            BenchmarkError: the folder cannot be written.
        """
        n_rows = part[1] - part[0]
        row_bytes = len(units) * math.prod(table.tail) * table.dtype.itemsize
        at_once = max(1, min(n_rows, CHUNK_BYTES // max(1, row_bytes)))
        sizes = [min(at_once, n_rows - row) for row in range(0, n_rows, at_once)]
        layout: dict[str, tuple[torch.dtype, Sequence[int]]] = {UNITS: (torch.int64, [len(units)])}
        for number, size in enumerate(sizes):
            layout[f"{number:06d}"] = (table.dtype, [len(units), size, *table.tail])
        with self._cache.streaming(table.kind, table.determinants(units, part), layout) as stream:
            stream.write(units)
            writer = ColumnWriter(stream, len(units), sizes, table)
            try:
                yield writer
            finally:
                writer.finish()
        self._found.pop(table.kind, None)

    def read(self, table: Table, units: Int[Tensor, " n"]) -> Shaped[Tensor, "n rows *tail"] | None:
        """Return the rows of some units in order; None where something is missing or damaged.

        Numbers of any precision come as float32, whole numbers as they are.
        """
        dtype = table.dtype if table.dtype == torch.int64 else torch.float32
        rows = torch.empty((len(units), table.n_rows, *table.tail), dtype=dtype)
        left = torch.ones(len(units), dtype=torch.bool)
        for held, files in self._complete(table):
            here = (left & torch.isin(units, held)).nonzero()[:, 0]
            if not len(here):
                continue
            places = torch.searchsorted(held, units[here])
            if not all(self._cache.is_whole(file.path, file.digest) for file in files):
                self._found.pop(table.kind, None)
                return None
            at = 0
            for file in files:
                at = _read_into(rows, here, at, file.path, places)
            left[here] = False
        return None if bool(left.any()) else rows

    def forget(self) -> None:
        """Look for files again: others wrote some."""
        self._found.clear()

    def remove(self, table: Table, units: Int[Tensor, " n"]) -> None:
        """Remove the files of exactly these units."""
        for part in table.parts:
            self._cache.remove(table.kind, table.determinants(units, part))
        self._found.pop(table.kind, None)

    def _complete(self, table: Table) -> list[tuple[Tensor, list[_File]]]:
        """Return the units and the files of every set that has all parts, the largest first."""
        if table.kind not in self._found:
            self._found[table.kind] = self._scan(table.kind)
        sets = self._found[table.kind].get(_text(table.key), {})
        complete = []
        for digest in sorted(sets):
            files = [sets[digest].get(part) for part in table.parts]
            whole = [file for file in files if file is not None]
            if files and len(whole) == len(files):
                units = self._units_of(whole[0])
                if units is not None:
                    complete.append((units, whole))
        return sorted(complete, key=lambda one: -len(one[0]))

    def _scan(self, kind: str) -> dict[str, dict[str, dict[Part, _File]]]:
        found: dict[str, dict[str, dict[Part, _File]]] = {}
        for path, note in self._cache.notes(kind):
            units, rows, digest = note.pop(UNITS, ""), note.pop(ROWS, None), note.pop(DIGEST, "")
            del note["kind"]
            if isinstance(rows, list) and len(rows) == 2:
                sets = found.setdefault(_text(note), {})
                sets.setdefault(str(units), {})[rows[0], rows[1]] = _File(path, str(digest))
        return found

    def _units_of(self, file: _File) -> Tensor | None:
        from safetensors import SafetensorError, safe_open

        if file.path not in self._units:
            try:
                with safe_open(file.path, "pt") as opened:
                    units = opened.get_tensor(UNITS)
            except (SafetensorError, OSError):
                self._cache.is_whole(file.path, file.digest)  # says so, and forgets it
                return None
            self._units[file.path] = units.clone()
        return self._units[file.path]


@functools.cache
def _background() -> ThreadPoolExecutor:
    """Return the thread of this process that writes while the subject runs."""
    return ThreadPoolExecutor(1, "columns")


class ColumnWriter:
    """The rows of some units, taken a few at a time and written in chunks.

    A chunk is written in the background while the next one is filled, and no more than one is.

    Args:
        stream: the file.
        n_units: how many units there are.
        sizes: the rows of each chunk.
        table: the shape and the precision of a row.
    """

    def __init__(
        self, stream: TensorStream, n_units: int, sizes: Sequence[int], table: Table
    ) -> None:
        self._stream = stream
        self._left = list(sizes)
        self._shape = (n_units, table.tail, table.dtype)
        self._filled = 0
        self._chunk, self._spare = self._new_chunk(), self._new_chunk()
        self._written: Future[None] | None = None

    def add(self, rows: Shaped[Tensor, "n r *tail"]) -> None:
        """Take the next rows of every unit.

        Raises:
            OSError: the file cannot be written.
        """
        while rows.shape[1]:
            room = self._chunk.shape[1] - self._filled
            taken = rows[:, :room]
            self._chunk[:, self._filled : self._filled + taken.shape[1]] = taken
            self._filled += taken.shape[1]
            rows = rows[:, room:]
            if self._filled == self._chunk.shape[1]:
                self.finish()
                self._written = _background().submit(self._stream.write, self._chunk)
                self._left.pop(0)
                self._filled = 0
                self._chunk, self._spare = self._spare, self._chunk
                if self._left and self._left[0] != self._chunk.shape[1]:
                    self._chunk = self._new_chunk()

    def finish(self) -> None:
        """Wait until what was handed over is written.

        Raises:
            OSError: it could not be written.
        """
        if self._written is not None:
            written, self._written = self._written, None
            written.result()

    def _new_chunk(self) -> Tensor:
        n_units, tail, dtype = self._shape
        return torch.empty((n_units, self._left[0], *tail), dtype=dtype)


def units_digest(units: Int[Tensor, " n"]) -> str:
    """Return a short name of a set of units."""
    return hashlib.sha256(json.dumps(units.tolist()).encode()).hexdigest()[:32]


def _read_into(rows: Tensor, here: Tensor, at: int, path: Path, places: Tensor) -> int:
    """Put a file's rows of units at `places` into those of `here`, from `at` on; return the end."""
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        for name in sorted(set(opened.keys()) - {UNITS}):
            chunk = opened.get_tensor(name)
            after = at + chunk.shape[1]
            if len(here) == len(rows):
                rows[:, at:after] = chunk[places]
            else:
                rows[here, at:after] = chunk[places].to(rows.dtype)
            at = after
    return at


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
