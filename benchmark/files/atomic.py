"""Files that are either whole or absent, whenever the process or the machine stops."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from benchmark.errors import BenchmarkError

TEMPORARY_SUFFIX = ".partial"
# What nobody has written to for so long belongs to no process that still works on it.
LEFTOVER_SECONDS = 24 * 3600

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    getattr(errno, "EDQUOT", errno.ENOSPC): "the disk quota is used up; free some space",
    errno.EACCES: "there is no permission to write there; choose another folder",
    errno.EPERM: "there is no permission to write there; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOENT: "a folder on the way there was removed meanwhile; choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EEXIST: "a file of that name is in the way; choose another folder",
    errno.EISDIR: "a folder of that name is in the way; choose another folder",
    errno.ENAMETOOLONG: "the path is too long; choose a shorter one",
}


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write under `folder` into a message for the user.

    Raises:
        BenchmarkError: the disk is full, the quota used up, a permission missing, ...; it names
            the folder and the reason.
    """
    try:
        yield
    except OSError as error:
        known = _REASONS.get(error.errno or 0)
        reason = f"{known}, then repeat the same command" if known else _said(error)
        raise BenchmarkError(f"cannot write to '{folder}': {reason}.") from error


def _said(error: OSError) -> str:
    """Return what the system says, on one line."""
    text = " ".join((error.strerror or str(error)).split()).rstrip(".") or type(error).__name__
    where = f" ('{error.filename}')" if error.filename is not None else ""
    return f"{text[:1].lower()}{text[1:200]}{where}"


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether `folder` could be made and written; makes nothing.

    Raises:
        BenchmarkError: a part of the path is a file, there is no permission, or the path is none
            that results and libraries could hold.
    """
    check_path(folder)
    with storage_errors(folder):
        nearest = folder.absolute()
        while not os.path.lexists(nearest) and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            number = errno.EEXIST if nearest == folder.absolute() else errno.ENOTDIR
            raise OSError(number, os.strerror(number))
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def check_path(path: Path) -> None:
    """Check that a path is text: files and libraries that are UTF-8 cannot hold another one.

    Raises:
        BenchmarkError: it holds bytes that are not.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise BenchmarkError(
            f"the path '{shown}' holds bytes that are not UTF-8; give it another name, or choose "
            "another folder."
        ) from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` only once it is complete and on the disk.

    The bytes go to a temporary file beside `path`, are flushed to the disk, and the name is then
    moved in one step. An exception inside the block leaves `path` as it was.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically; see `replacing`."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file atomically, line ends as they are; see `replacing`."""
    write_bytes(path, text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system can (Windows cannot)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_alive(process: int) -> bool:
    """Return whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's, or the system cannot tell
        return True
    return True


def remove_temporary_files(folder: Path) -> None:
    """Delete what a process that was killed inside `replacing` left in a folder.

    Only for a folder that no other process is writing to.
    """
    for path in folder.glob(f"*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
