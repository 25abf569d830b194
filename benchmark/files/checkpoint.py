"""A checkpoint's files, wherever they are."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmark.errors import BenchmarkError
from benchmark.files import reading
from benchmark.files.reading import check_regular

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# Any one of these is a vocabulary. Without one the library may build an empty tokenizer silently.
VOCABULARIES = ("tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model", "vocab.txt")
TOKENIZER_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    *VOCABULARIES,
)


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
        """Return where the files that have been asked for are."""
        ...

    def optional(self, name: str) -> Path | None:
        """Return a file, or None where the checkpoint has none of this name."""
        ...

    def names(self) -> list[str]:
        """Return all files of the checkpoint, sorted."""
        ...

    def missing(self, what: str) -> BenchmarkError:
        """Return the error for files that are needed and cannot be obtained."""
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
        """Return the folder itself."""
        return self._folder

    def optional(self, name: str) -> Path | None:
        """Return a file of the folder, or None."""
        path = self._folder / name
        if not path.exists():
            return None
        check_regular(path)
        return path

    def names(self) -> list[str]:
        """Return all files in the folder and below it, sorted."""
        return sorted(
            path.relative_to(self._folder).as_posix()
            for path in self._folder.rglob("*")
            if path.is_file()
        )

    def missing(self, what: str) -> BenchmarkError:
        """Return the error for files that the folder should have and has not."""
        return BenchmarkError(f"the folder '{self.source}' has no {what}.")


def needed(files: Files, name: str) -> Path:
    """Return a file that a checkpoint must have. Raises BenchmarkError where it has none."""
    path = files.optional(name)
    if path is None:
        raise files.missing(name)
    return path


def read_json(path: Path, source: str) -> dict[str, Any]:
    """Return a JSON object. Raises BenchmarkError where the file holds something else."""
    try:
        value = reading.read_json(path, what=f"{path.name} of '{source}'")
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path.name} of '{source}' is not there ({path}).") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path.name} of '{source}' is not a JSON object ({path}).")
    return value


def fetch_weights(files: Files) -> None:
    """Fetch a checkpoint's weights into its folder: safetensors if there are any.

    Raises:
        BenchmarkError: there are none, or a part is missing.
    """
    for name in WEIGHTS:
        if files.optional(name) is not None:
            return
        index = files.optional(f"{name}.index.json")
        if index is not None:
            for part in _parts(read_json(index, files.source), index.name, files.source):
                needed(files, part)
            return
    raise files.missing("weights (" + " or ".join(WEIGHTS) + ")")


def _parts(index: Mapping[str, Any], name: str, source: str) -> list[str]:
    """Return the files that an index of weights names.

    Raises:
        BenchmarkError: it names none, or something else than files beside it.
    """
    places = index.get("weight_map")
    parts = list(places.values()) if isinstance(places, dict) else []
    if not parts:
        raise BenchmarkError(f"{name} of '{source}' names no files of weights in 'weight_map'.")
    for part in parts:
        if not isinstance(part, str) or not part or ".." in part.split("/") or part[0] in "/\\":
            raise BenchmarkError(
                f"{name} of '{source}' names {part!r:.60}, which is no file beside it."
            )
    return sorted(set(parts))
