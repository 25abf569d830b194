"""Watch over opened files: the corpus and the measured truth are not an explainer's."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from benchmark.config.run_config import RunConfig
from benchmark.corpus.python_library import SNAPSHOT, is_document, library_folder
from benchmark.evaluation.experiment import cache_folder
from benchmark.files.tensor_cache import TensorCache

# Kinds of the cache that hold text or activations of other splits than `explain`.
CLOSED_KINDS = ("truth", "tokens", "calibration")
# Python itself reads sources to import modules and to write stack traces.
READERS = ("linecache.py", "inspect.py", "tokenize.py")

_watching: list[list[str]] = []
_installed = False


@contextlib.contextmanager
def opened_files() -> Iterator[list[str]]:
    """Record the paths that Python code opens meanwhile, except for imports and stack traces.

    What a library opens in C or Rust is not seen.
    """
    _install()
    paths: list[str] = []
    _watching.append(paths)
    try:
        yield paths
    finally:
        _watching.remove(paths)


class Closed:
    """The files that an explainer must leave alone."""

    def __init__(self, config: RunConfig, cache: TensorCache) -> None:
        folders = [cache.folder, cache_folder(RunConfig())]
        self._folders = [folder / kind for folder in folders for kind in CLOSED_KINDS]
        kind, path = config.dataset.get("kind"), config.dataset.get("path")
        # The frozen corpus is nearly the text of the running library.
        library = kind in ("stdlib", "python")
        self._library = library_folder().resolve() if library else None
        if library:
            self._folders.append(SNAPSHOT)
        if path:
            self._folders.append(Path(str(path)).expanduser())
        self._folders = [folder.resolve() for folder in self._folders]

    def among(self, paths: list[str]) -> list[str]:
        """Return those of the paths that are not an explainer's to open."""
        return [text for text in dict.fromkeys(paths) if self._is_closed(Path(text).resolve())]

    def _is_closed(self, path: Path) -> bool:
        library = self._library
        if library is not None and path.is_relative_to(library) and is_document(path, library):
            return True
        return any(path.is_relative_to(folder) for folder in self._folders)


def _install() -> None:
    """Install one audit hook, which cannot be removed and does nothing while nobody watches."""
    global _installed
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _watching or event != "open":
        return
    path = arguments[0]
    if isinstance(path, str | bytes) and not _is_python_reading():
        for paths in _watching:
            paths.append(os.fsdecode(path))


def _is_python_reading() -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or os.path.basename(name) in READERS:
            return True
        frame = frame.f_back
    return False
