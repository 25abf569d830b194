"""Digests of a run's files, held against `run.json` wherever the files are read."""

from __future__ import annotations

from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.reading import check_regular, sha256_of
from benchmark.results.layout import RECORD, RESCORED
from benchmark.results.records import RunRecord

# A file that has not changed since is read once by a process.
_known: dict[tuple[str, int, int, int], str] = {}


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        BenchmarkError: the file cannot be read, or is a pipe, a device or a folder.
    """
    try:
        check_regular(path)
        about = path.stat()
        key = (str(path.resolve()), about.st_size, about.st_mtime_ns, about.st_ino)
        if key not in _known:
            _known[key] = sha256_of(path)
    except OSError as error:
        raise BenchmarkError(f"'{path}' cannot be read: {error.strerror}.") from error
    return _known[key]


def check_digest(folder: Path, name: str, record: RunRecord) -> None:
    """Check that a file of a run is the one that it wrote; one that run.json does not list passes.

    Raises:
        BenchmarkError: the file cannot be read, or its SHA-256 is another.
    """
    written = record.files.get(name)
    if written is not None and digest_of(folder / name) != written.sha256:
        raise differs(folder, name)


def differs(folder: Path, name: str) -> BenchmarkError:
    """Make the error for a file of a run that is not the one that the run wrote."""
    hint = ""
    if (folder / RESCORED / RECORD).is_file():
        hint = (
            " If `score` was stopped here, it completes its work: "
            f"python -m benchmark score {folder}"
        )
    return BenchmarkError(
        f"'{folder / name}' is not the file that the run wrote (its SHA-256 differs from "
        f"run.json): it is damaged or of another run.{hint}"
    )
