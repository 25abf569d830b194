"""A checkpoint's files, wherever they are."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Protocol

from benchmark.errors import BenchmarkError
from benchmark.files import reading
from benchmark.files.reading import check_regular


class Files(Protocol):
    """The files of one checkpoint: a local folder, or a repository on the hub and its cache.

    Attributes:
        source: how to call the checkpoint in a message.
        revision: the repository's commit, or None for a folder.
    """

    source: str
    revision: str | None

    @property
    def folder(self) -> Path:
        """Where the files that have been asked for are."""
        ...

    def optional(self, name: str) -> Path | None:
        """A file, or None where the checkpoint has none of this name."""
        ...

    def names(self) -> list[str]:
        """All files of the checkpoint, sorted."""
        ...

    def missing(self, what: str) -> BenchmarkError:
        """The error for files that are needed and cannot be obtained."""
        ...


class LocalFiles:
    """A checkpoint in a folder; nothing is downloaded."""

    revision: str | None = None

    def __init__(self, folder: Path, source: str) -> None:
        self.source = source
        self._folder = folder
        # The library opens further files by itself, and would wait for a pipe for ever.
        with contextlib.suppress(OSError):
            for path in sorted(folder.iterdir()):
                if path.exists() and not path.is_dir():
                    check_regular(path)

    @property
    def folder(self) -> Path:
        """The folder itself."""
        return self._folder

    def optional(self, name: str) -> Path | None:
        """A file of the folder, or None."""
        path = self._folder / name
        if not path.exists():
            return None
        check_regular(path)
        return path

    def names(self) -> list[str]:
        """All files in the folder and below it, sorted."""
        return sorted(
            path.relative_to(self._folder).as_posix()
            for path in self._folder.rglob("*")
            if path.is_file()
        )

    def missing(self, what: str) -> BenchmarkError:
        """The error for files that the folder should have and has not."""
        return BenchmarkError(f"the folder '{self.source}' has no {what}.")


def needed(files: Files, name: str) -> Path:
    """A file that a checkpoint must have. Raises BenchmarkError where it has none."""
    path = files.optional(name)
    if path is None:
        raise files.missing(name)
    return path


def read_json(path: Path, source: str) -> dict[str, Any]:
    """A JSON object. Raises BenchmarkError where the file holds something else."""
    try:
        value = reading.read_json(path, what=f"{path.name} of '{source}'")
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path.name} of '{source}' is not there ({path}).") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path.name} of '{source}' is not a JSON object ({path}).")
    return value
