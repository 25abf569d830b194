"""The gate for files that others may have made: whatever is wrong becomes one sentence.

Results of other people, checkpoints, corpora and caches are read through here. A file must be a
regular one of a sensible size, JSON must be what a program of ours can use without surprises:
numbers that are finite and short, text that is Unicode, objects that name nothing twice, nested no
deeper than anything of ours is.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import math
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from benchmark.errors import BenchmarkError
from benchmark.token_text import one_line

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

# Far above anything of ours; a JSON file of this size takes some gigabytes of memory.
LARGEST_JSON = 256 * 2**20
LARGEST_LINE = 256 * 2**20
LARGEST_TABLE = 2**30
MOST_CELLS = 10**9
DEEPEST = 64
PART = 2**22
MOST_DIGITS = 300
# What a line may hold that needs a closer look: halves of letters, and numbers that may be too
# large, too long or none. A parser that calls Python for every number takes three times as long.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ODD_NUMBER = re.compile(rb"NaN|Infinity|\d[eE]\+?\d{3}|\d{300}")

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_regular(path: Path) -> None:
    """Check that a path is a regular file: reading a pipe or a device may never end.

    Raises:
        BenchmarkError: it is something else.
        OSError: it is not there, or cannot be looked at.
    """
    _check_mode(os.stat(path).st_mode, path)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file to read its bytes.

    Raises:
        BenchmarkError: it is no regular file.
        OSError: it is not there, or cannot be read.
    """
    check_regular(path)
    # Without waiting, should it have become a pipe in between.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    with open(descriptor, "rb") as file:
        _check_mode(os.fstat(file.fileno()).st_mode, path)
        yield file


def read_bytes(path: Path, largest: int = LARGEST_JSON) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        BenchmarkError: it is no regular file, or larger than `largest`.
        OSError: it is not there, or cannot be read.
    """
    with opened(path) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise BenchmarkError(
            f"'{one_line(path)}' is larger than {largest:,} bytes, which no such file is."
        )
    return data


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a regular file, read in parts.

    Raises:
        BenchmarkError, OSError: as `opened`.
    """
    digest = hashlib.sha256()
    with opened(path) as file:
        while part := file.read(PART):
            digest.update(part)
    return digest.hexdigest()


def read_json(path: Path, *, what: str = "") -> Any:
    """Return the JSON value of a file that a program of ours wrote, or says it did.

    Args:
        path: the file.
        what: how the message names it; by default its path in quotes.

    Raises:
        BenchmarkError: it is no such file, or damaged; the message names it.
        FileNotFoundError, NotADirectoryError: it is not there.
    """
    where = what or f"'{one_line(path)}'"
    try:
        data = read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise BenchmarkError(f"{where} cannot be read: {error.strerror}.") from error
    return parse_json(data, where)


def parse_json(data: bytes, where: str) -> Any:
    """Return a JSON value that is checked as a whole.

    Raises:
        BenchmarkError: it is not JSON; a number is not finite or has too many digits; an object
            names something twice; text is no Unicode or holds a NUL; it is nested too deep.
    """
    value = _parsed(data, where, {**_NUMBERS, "object_pairs_hook": _object})
    _check(value, where)
    return value


def parse_foreign_json(data: bytes, where: str) -> Any:
    """Return a JSON value that a program of others wrote, which may hold NaN, Infinity and NUL.

    Raises:
        BenchmarkError: it is not JSON; a number has too many digits; an object names something
            twice; text is no Unicode; it is nested too deep.
    """
    hooks = {"parse_int": _integer, "parse_constant": float, "object_pairs_hook": _object}
    value = _parsed(data, where, hooks)
    if _SURROGATE.search(data):
        _check(value, where, nul=True)
    return value


def parse_json_line(data: bytes, where: str) -> Any:
    """Return the JSON value of a line of a large file, checked for what a parser lets through.

    Unlike `parse_json` it allows NUL, which is a token like others, and a name that stands twice.

    Raises:
        BenchmarkError: it is not JSON; a number is not finite or has too many digits; text is no
            Unicode; it is nested too deep.
    """
    value = _parsed(data, where, _NUMBERS if _ODD_NUMBER.search(data) else {})
    if _SURROGATE.search(data):
        _check(value, where, nul=True, deepest=10**6)
    return value


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a regular file with their numbers from 1, one at a time.

    A file whose name ends with `.gz` is decompressed.

    Raises:
        BenchmarkError: the file cannot be read, or a line is larger than any of ours.
    """
    try:
        with opened(path) as plain:
            packed = path.suffix == ".gz"
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if packed else plain
            number = 0
            while line := file.readline(LARGEST_LINE + 1):
                number += 1
                if len(line) > LARGEST_LINE:
                    raise BenchmarkError(
                        f"'{one_line(path)}' line {number} is longer than {LARGEST_LINE:,} bytes."
                    )
                yield number, line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BenchmarkError(
            f"'{one_line(path)}' is damaged: it is no whole gzip file ({first_line(error)})."
        ) from error
    except OSError as error:
        raise BenchmarkError(f"'{one_line(path)}' cannot be read: {error.strerror}.") from error


def parse_table(data: bytes) -> pa.Table:
    """Return a parquet table from its bytes.

    Raises:
        ValueError: it is none, holds a column twice, or has more cells than fit into memory.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # On threads of its own Arrow now and then aborts a process that ends soon after.
        file = pq.ParquetFile(io.BytesIO(data), pre_buffer=False)
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"column '{one_line(twice)}' is there twice")
        if file.metadata.num_rows * max(len(names), 1) > MOST_CELLS:
            raise ValueError(f"it has {file.metadata.num_rows:,} rows, which no run has")
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"not a parquet table: {first_line(error)}") from error
    return table


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Copies, because the library maps the file: cut short by somebody, it would kill the process.

    Raises:
        BenchmarkError: it is no regular file.
        OSError, ValueError: it cannot be read, or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_regular(path)
    try:
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (SafetensorError, KeyError, TypeError, UnicodeError, RuntimeError) as error:
        raise ValueError(f"not a safetensors file: {first_line(error)}") from error


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file.

    Raises:
        BenchmarkError: it cannot be read or is no YAML.
    """
    import yaml

    try:
        return yaml.safe_load(read_bytes(path).decode("utf-8"))
    except OSError as error:
        raise BenchmarkError(f"'{one_line(path)}' cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BenchmarkError(
            f"'{one_line(path)}' is damaged: it is no YAML ({first_line(error)})."
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its name where it says nothing.

    Libraries say of a key that is missing nothing but its name.
    """
    if isinstance(error, KeyError):
        return f"{one_line(error)[:100]} is missing, or not known"
    said = str(error).strip().splitlines()
    return one_line(said[0].strip().rstrip(".")) if said else type(error).__name__


_BINARY = getattr(os, "O_BINARY", 0)


def _check_mode(mode: int, path: Path) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((name for test, name in _KINDS if test(mode)), "something else")
    raise BenchmarkError(f"'{one_line(path)}' is {kind}, not a file that can be read.")


def _parsed(data: bytes, where: str, hooks: dict[str, Any]) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"), **hooks)
    except RecursionError as error:
        raise BenchmarkError(f"{where} is damaged: it is nested too deep.") from error
    except UnicodeDecodeError as error:
        raise BenchmarkError(
            f"{where} is damaged: it is not UTF-8 (byte 0x{data[error.start]:02x} at offset "
            f"{error.start:,})."
        ) from error
    except ValueError as error:
        raise BenchmarkError(f"{where} is damaged: {first_line(error)}.") from error


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


_NUMBERS = {"parse_int": _integer, "parse_float": _number, "parse_constant": _no_constant}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{one_line(twice)[:60]}' is there twice")
    return value


def _check(value: Any, where: str, *, nul: bool = False, deepest: int = DEEPEST) -> None:
    """Check depth and text of a parsed value, without recursion."""
    left = [(value, 0)]
    while left:
        one, depth = left.pop()
        if depth > deepest:
            raise BenchmarkError(f"{where} is damaged: it is nested too deep.")
        if isinstance(one, str):
            _check_text(one, where, nul)
        elif isinstance(one, list):
            left += [(entry, depth + 1) for entry in one]
        elif isinstance(one, dict):
            left += [(key, depth) for key in one]
            left += [(entry, depth + 1) for entry in one.values()]


def _check_text(text: str, where: str, nul: bool) -> None:
    if not nul and "\0" in text:
        raise BenchmarkError(f"{where} is damaged: a text in it holds NUL ({one_line(text)[:60]}).")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BenchmarkError(
            f"{where} is damaged: a text in it is no Unicode ({one_line(text)[:60]})."
        ) from error
