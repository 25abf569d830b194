"""Tensors on disk under a key of everything that determines them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import (
    LEFTOVER_SECONDS,
    TEMPORARY_SUFFIX,
    check_writable,
    is_alive,
    storage_errors,
    write_text,
)
from benchmark.files.cache_folder import LEFTOVER
from benchmark.files.reading import read_json, read_tensors
from benchmark.files.tensor_stream import Layout, TensorStream, digest_of

logger = logging.getLogger(__name__)

# Changed when the meaning of what is stored changes: older files are then never read again.
FORMAT = 2
DIGEST = "xxh3"  # of a file's content, in the description beside it


@dataclass(frozen=True)
class Expected:
    """What a tensor read from a cache must be.

    Attributes:
        dtype: its type.
        shape: its size in each dimension; None where any will do.
        low, below: where its values lie, `low <= value < below`; None where any will do.
    """

    dtype: torch.dtype
    shape: tuple[int | None, ...]
    low: int | None = None
    below: int | None = None

    def problem(self, tensor: Tensor) -> str:
        """Return why a tensor is not what is expected, empty where it is."""
        fits = len(tensor.shape) == len(self.shape) and all(
            wanted in (None, size) for size, wanted in zip(tensor.shape, self.shape, strict=True)
        )
        if tensor.dtype != self.dtype or not fits:
            return f"is {tensor.dtype} of shape {list(tensor.shape)}"
        if tensor.numel() and (
            (self.low is not None and int(tensor.min()) < self.low)
            or (self.below is not None and int(tensor.max()) >= self.below)
        ):
            return "holds numbers that are out of range"
        return ""


class TensorCache:
    """A folder of safetensors files, each beside a description of what determined it.

    A file is trusted only if the description beside it is that of what is asked for, its XXH3
    is the one written down after it was complete, and its tensors are those that are expected; any
    other one is named in a warning and made again. One that does not write (for a look at what
    would be done) leaves the folder as it is.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder = folder
        self.writes = writes
        self.hits = 0
        self.misses = 0
        self._written: set[Path] = set()
        self._checked: set[Path] = set()  # streamed files that were found whole

    def check_writable(self) -> None:
        """Find out before hours of work whether what it gives could be kept.

        Raises:
            BenchmarkError: it could not, and this cache is meant to keep it.
        """
        if self.writes:
            check_writable(self.folder)

    def path(self, kind: str, determinants: Mapping[str, Any]) -> Path:
        """Return where tensors of a kind with these determinants (JSON-able) are kept."""
        text = json.dumps({"format": FORMAT, **determinants}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.folder / kind / digest[:2] / f"{digest[2:34]}.safetensors"

    def has(self, kind: str, determinants: Mapping[str, Any]) -> bool:
        """Return whether a file is there (its content is checked when it is read)."""
        return self.path(kind, determinants).with_suffix(".json").exists()

    def was_written(self, kind: str, determinants: Mapping[str, Any]) -> bool:
        """Return whether the file was made here: reading it back saved nobody anything."""
        return self.path(kind, determinants) in self._written

    def read(
        self,
        kind: str,
        determinants: Mapping[str, Any],
        expected: Mapping[str, Expected] | None = None,
    ) -> dict[str, Tensor] | None:
        """Return the tensors, or None if there are none or the file is damaged.

        Args:
            kind: what the tensors are.
            determinants: what determines them.
            expected: the tensors that must be there, and no others.
        """
        path = self.path(kind, determinants)
        note = path.with_suffix(".json")
        if not note.exists():
            return None
        try:
            said = read_json(note, what="the description beside it")
            if not isinstance(said, dict) or _without_digest(said) != _note(kind, determinants):
                raise ValueError("the description beside it is of something else")
            if digest_of(path) != said[DIGEST]:
                raise ValueError("its content is not what was written")
            tensors = read_tensors(path)
            _check(tensors, expected)
        except (OSError, ValueError, KeyError, BenchmarkError) as error:
            self._forget(path, error)
            return None
        return tensors

    def write(
        self, kind: str, determinants: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        """Store tensors; the description is written last, so a file without one is unfinished."""
        if not self.writes:
            return
        layout = {name: (tensor.dtype, list(tensor.shape)) for name, tensor in tensors.items()}
        with self.streaming(kind, determinants, layout) as stream:
            for tensor in tensors.values():
                stream.write(tensor)

    @contextlib.contextmanager
    def streaming(
        self, kind: str, determinants: Mapping[str, Any], layout: Layout
    ) -> Iterator[TensorStream]:
        """Open a new file that takes the tensors of a layout one after the other.

        It is there as a whole when the block is left, and not at all after an exception.

        Raises:
            BenchmarkError: the folder cannot be written.
            ValueError: not all tensors of the layout were written.
        """
        with self._new_file(kind, determinants) as (partial, note):
            with open(partial, "xb") as file:
                stream = TensorStream(file, layout)
                yield stream
            note[DIGEST] = stream.digest()

    @contextlib.contextmanager
    def _new_file(
        self, kind: str, determinants: Mapping[str, Any]
    ) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Hand out a path to write to and the note that is put beside it at the end."""
        if not self._written:
            remove_leftovers(self.folder)
        path = self.path(kind, determinants)
        partial = path.with_name(
            f"{path.stem}-{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
        )
        note = _note(kind, determinants)
        with storage_errors(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield partial, note
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
            write_text(path.with_suffix(".json"), json.dumps(note, indent=1, sort_keys=True))
        self._written.add(path)

    def notes(self, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield every streamed file of a kind with its description; damaged ones are forgotten."""
        for note in sorted((self.folder / kind).glob("??/*.json")):
            path = note.with_suffix(".safetensors")
            try:
                said = read_json(note, what="the description beside it")
                if not isinstance(said, dict) or said.get("kind") != kind:
                    raise ValueError("the description beside it is of something else")
                if not path.exists():
                    raise ValueError("it is missing")
            except FileNotFoundError:  # removed meanwhile
                continue
            except (OSError, ValueError, BenchmarkError) as error:
                self._forget(path, error)
                continue
            yield path, said

    def is_whole(self, path: Path, digest: str) -> bool:
        """Return whether a streamed file is what was written; a damaged one is forgotten.

        Each file is read through once by a process.
        """
        if path in self._checked:
            return True
        try:
            if digest_of(path) != digest:
                raise ValueError("its content is not what was written")
        except (OSError, ValueError, BenchmarkError) as error:
            self._forget(path, error)
            return False
        self._checked.add(path)
        return True

    def _forget(self, path: Path, reason: Exception) -> None:
        logger.warning("cache file %s is damaged (%s); it is made again", path, reason)
        if self.writes:
            for one in (path.with_suffix(".json"), path):
                with contextlib.suppress(OSError):  # in a folder that cannot be written
                    one.unlink(missing_ok=True)

    def remove(self, kind: str, determinants: Mapping[str, Any]) -> None:
        """Remove a file, its description first; nothing happens where it is not there."""
        path = self.path(kind, determinants)
        for one in (path.with_suffix(".json"), path):
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what processes that were killed while they wrote left in a cache.

    Only files that are named as this cache names them, were last written more than a day ago, and
    are not of a process that is alive.
    """
    for path in folder.glob(f"*/??/*{TEMPORARY_SUFFIX}"):
        found = LEFTOVER.fullmatch(path.name)
        if found is None or (found[1] and is_alive(int(found[1]))):
            continue
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > LEFTOVER_SECONDS:
                path.unlink()


def _note(kind: str, determinants: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description beside a file, as JSON gives it back, but for its digest."""
    note: dict[str, Any] = json.loads(json.dumps({"kind": kind, **determinants}))
    return note


def _without_digest(note: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in note.items() if name != DIGEST}


def _check(tensors: Mapping[str, Tensor], expected: Mapping[str, Expected] | None) -> None:
    if expected is None:
        return
    for name, wanted in expected.items():
        if name not in tensors:
            raise ValueError(f"it lacks the tensor '{name}'")
        if problem := wanted.problem(tensors[name]):
            raise ValueError(f"the tensor '{name}' {problem}")
    for name in tensors:
        if name not in expected:
            raise ValueError(f"it has a tensor '{name[:60]}' too many")
