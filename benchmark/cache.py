"""Tensors on disk under a key of everything that determines them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.results.atomic import (
    TEMPORARY_SUFFIX,
    check_writable,
    storage_errors,
    write_text,
)

logger = logging.getLogger(__name__)

# Changed when the meaning of what is stored changes: older files are then never read again.
FORMAT = 1
CHUNK_BYTES = 2**22


class TensorCache:
    """A folder of safetensors files, each beside a description of what determined it.

    A file is trusted only if its SHA-256 is the one written down after it was complete; a damaged
    one is named in a warning and made again. One that does not write (for a look at what would be
    done) leaves the folder as it is.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder = folder
        self.writes = writes
        self.hits = 0
        self.misses = 0
        self._written: set[Path] = set()

    def check_writable(self) -> None:
        """Find out before hours of work whether what it gives could be kept.

        Raises:
            BenchmarkError: it could not, and this cache is meant to keep it.
        """
        if self.writes:
            check_writable(self.folder)

    def path(self, kind: str, determinants: Mapping[str, Any]) -> Path:
        """Where tensors of a kind with these determinants (JSON-able) are kept."""
        text = json.dumps({"format": FORMAT, **determinants}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.folder / kind / digest[:2] / f"{digest[2:34]}.safetensors"

    def has(self, kind: str, determinants: Mapping[str, Any]) -> bool:
        """Whether a file is there (its content is checked when it is read)."""
        return self.path(kind, determinants).with_suffix(".json").exists()

    def was_written(self, kind: str, determinants: Mapping[str, Any]) -> bool:
        """Whether the file was made here: reading it back saved nobody anything."""
        return self.path(kind, determinants) in self._written

    def read(self, kind: str, determinants: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """The tensors, or None if there are none or the file is damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.path(kind, determinants)
        note = path.with_suffix(".json")
        if not note.exists():
            return None
        try:
            expected = json.loads(note.read_text(encoding="utf-8"))["sha256"]
            if _sha256(path) != expected:
                raise ValueError("its content is not what was written")
            # Copies, because the library maps the file: cut short by somebody, it would kill us.
            tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            logger.warning("cache file %s is damaged (%s); it is made again", path, error)
            if self.writes:
                with contextlib.suppress(OSError):  # in a folder that cannot be written
                    note.unlink(missing_ok=True)
            return None
        return tensors

    def write(
        self, kind: str, determinants: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        """Store tensors; the description is written last, so a file without one is unfinished."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        if not self.writes:
            return
        path = self.path(kind, determinants)
        partial = path.with_name(f"{path.stem}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
        with storage_errors(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                # Straight to the file: these tensors are large, and a copy of them as bytes is too.
                save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial)
                digest = _sha256(partial)
                partial.replace(path)
            except SafetensorError as error:
                raise _as_os_error(error, self.folder) from error
            finally:
                partial.unlink(missing_ok=True)
            note = {"sha256": digest, "kind": kind, **determinants}
            write_text(path.with_suffix(".json"), json.dumps(note, indent=1, sort_keys=True))
        self._written.add(path)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _as_os_error(error: Exception, folder: Path) -> Exception:
    """The library reports a full disk as an error of its own; the number is in its text."""
    found = re.search(r"os error (\d+)", str(error))
    if found:
        number = int(found.group(1))
        return OSError(number, os.strerror(number))
    return BenchmarkError(f"cannot write to '{folder}': {error}")
