"""Files of others: which of a folder are read, and the JSON values in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.reading import LARGEST_JSON, lines, parse_foreign_json, read_bytes
from benchmark.token_text import one_line

LINES = (".jsonl", ".jsonl.gz")


def find_files(place: Path, endings: Sequence[str]) -> list[Path]:
    """Return a file, or the files of a folder and those below it that end so, in order.

    Raises:
        BenchmarkError: there is nothing, or no such file.
    """
    if not place.is_dir():
        if not place.exists():
            raise BenchmarkError(f"'{one_line(place)}' does not exist.")
        return [place]
    found = [
        Path(folder, name)
        for folder, _, names in os.walk(place)
        for name in names
        if name.endswith(tuple(endings))
    ]
    if not found:
        raise BenchmarkError(
            f"'{one_line(place)}' has no file that ends with {' or '.join(endings)}."
        )
    return sorted(found)


def read_value(path: Path) -> Any:
    """Return the JSON value that a file is.

    Raises:
        BenchmarkError: it cannot be read, is empty, too large or no JSON.
    """
    where = f"'{one_line(path)}'"
    try:
        data = read_bytes(path, LARGEST_JSON)
    except OSError as error:
        raise BenchmarkError(f"{where} cannot be read: {error.strerror}.") from error
    if not data.strip():
        raise BenchmarkError(f"{where} is empty.")
    return parse_foreign_json(data, where)


def read_values(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the JSON values of a file, each with its place: of every line of a `.jsonl`.

    Raises:
        BenchmarkError: as `read_value`.
    """
    where = f"'{one_line(path)}'"
    if not path.name.endswith(LINES):
        value = read_value(path)
        if isinstance(value, list):
            yield from ((f"{where}[{at}]", one) for at, one in enumerate(value))
        else:
            yield where, value
        return
    empty = True
    for number, line in lines(path):
        if line.strip():
            empty = False
            place = f"{where} line {number}"
            yield place, parse_foreign_json(line, place)
    if empty:
        raise BenchmarkError(f"{where} is empty.")
