"""Cache folder on disk: which files it holds, what they are of, and which of them are removed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import TEMPORARY_SUFFIX, is_alive
from benchmark.files.reading import read_json

# A partial file of this cache: of a tensor file with the number of its process, or of a note.
LEFTOVER = re.compile(r"[0-9a-f]{32}(?:-(?:(\d{1,9})-)?[0-9a-f]{8}|\.json\.[0-9a-f]{8})\.partial")
TENSORS, NOTE = ".safetensors", ".json"
_FILE = re.compile(rf"[0-9a-f]{{32}}(?:{re.escape(TENSORS)}|{re.escape(NOTE)})")
_KIND = re.compile(r"\w{1,40}")


@dataclass(frozen=True)
class CacheEntry:
    """What a cache keeps under one key: tensors and the note beside them, or what is left of them.

    Attributes:
        kind: such as `evidence` or `truth`.
        files: the note first, so that whoever reads meanwhile finds nothing rather than half.
        size: of all files, in bytes.
        modified: seconds since the epoch.
        determinants: what the note says; empty where it is missing or damaged.
    """

    kind: str
    files: list[Path]
    size: int
    modified: float
    determinants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Return whether tensors and note are both there."""
        return bool(self.determinants) and len(self.files) == 2

    def named(self, key: str) -> str:
        """Return a determinant such as `subject` as text, empty where there is none."""
        value = self.determinants.get(key)
        return value if isinstance(value, str) else ""


def user_cache_folder() -> Path:
    """Return the folder where activations are kept unless a run names another one."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("neuron-simulator-benchmark", appauthor=False))


def cache_entries(folder: Path) -> list[CacheEntry]:
    """Return what a cache holds, by kind; files that are not named as a cache names them stay out.

    Raises:
        BenchmarkError: the folder is a file, or cannot be read.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise BenchmarkError(f"'{folder}' is no folder, so it is no cache.")
    found: dict[tuple[str, str], list[Path]] = {}
    for path in _files(folder):
        if _FILE.fullmatch(path.name) or LEFTOVER.fullmatch(path.name):
            # Each unfinished file is by itself: the finished one may be there as well.
            stem = path.name[:32] if _FILE.fullmatch(path.name) else path.name
            found.setdefault((path.parents[1].name, stem), []).append(path)
    entries = (_entry(kind, sorted(files)) for (kind, _), files in sorted(found.items()))
    return [entry for entry in entries if entry is not None]


def remove_entry(entry: CacheEntry) -> None:
    """Remove what a cache keeps under one key; a run that needs it measures it again.

    Raises:
        OSError: a file cannot be removed.
    """
    for path in entry.files:
        running = LEFTOVER.fullmatch(path.name)
        if not (running and running[1] and is_alive(int(running[1]))):
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    try:
        for kind in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if kind.is_dir() and _KIND.fullmatch(kind.name):
                for part in sorted(os.scandir(kind), key=lambda entry: entry.name):
                    if part.is_dir() and re.fullmatch("[0-9a-f]{2}", part.name):
                        yield from sorted(map(Path, os.scandir(part)))
    except OSError as error:
        raise BenchmarkError(f"the cache in '{folder}' cannot be read: {error}.") from error


def _entry(kind: str, files: list[Path]) -> CacheEntry | None:
    """Return an entry of its files; None where they were removed meanwhile."""
    size, modified, present = 0, 0.0, []
    for path in files:
        try:
            status = path.lstat()
        except OSError:
            continue
        size += status.st_size
        modified = max(modified, status.st_mtime)
        present.append(path)
    if not present:
        return None
    return CacheEntry(kind, present, size, modified, _determinants(present[0], kind))


def _determinants(note: Path, kind: str) -> dict[str, Any]:
    if note.suffix != NOTE or note.name.endswith(TEMPORARY_SUFFIX):
        return {}
    try:
        said = read_json(note)
    except (OSError, BenchmarkError):
        return {}
    return said if isinstance(said, dict) and said.get("kind") == kind else {}
