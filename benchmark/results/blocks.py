"""The blocks of an unfinished run on disk: each is one file, whole or absent.

A block's file begins with a line that holds the SHA-256 of what follows: a line with the block's
rows, and one line per explanation. It is put in place in one step, so a process killed at any
moment leaves either all of a block or nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import replacing
from benchmark.files.reading import opened, parse_json_line
from benchmark.results.encoding import compact

Key = tuple[int, int]


@dataclass(frozen=True)
class StoredBlock:
    """A whole block, on the disk: where in `path` the line of each neuron's explanation is."""

    path: Path
    number: int
    offsets: dict[Key, int]

    def rows(self) -> list[dict[str, Any]]:
        """Read its rows back, by layer and neuron.

        Raises:
            BenchmarkError: they are damaged.
            OSError: the file cannot be read.
        """
        with opened(self.path) as file:
            file.readline()
            contents = parse_json_line(file.readline(), f"'{self.path}'")
        rows: list[dict[str, Any]] = contents["rows"]
        return sorted(rows, key=lambda row: (row["layer"], row["neuron"]))


def block_path(folder: Path, number: int) -> Path:
    """Return where block `number` of an unfinished run is kept."""
    return folder / f"block-{number:06d}.jsonl"


def store_block(
    folder: Path,
    number: int,
    identity: str,
    rows: Sequence[dict[str, Any]],
    lines: Sequence[tuple[Key, str]],
) -> StoredBlock:
    """Write a block atomically; `identity` is the digest of what determines the run."""
    keys = [list(key) for key, _ in lines]
    contents = compact({"block": number, "identity": identity, "keys": keys, "rows": rows})
    body = [f"{line}\n".encode() for line in (contents, *(line for _, line in lines))]
    first = _sealed(hashlib.sha256(b"".join(body)).hexdigest())
    path = block_path(folder, number)
    with replacing(path) as file:
        file.write(first)
        file.writelines(body)
    offsets, position = {}, len(first) + len(body[0])
    for (key, _), line in zip(lines, body[1:], strict=True):
        offsets[key] = position
        position += len(line)
    return StoredBlock(path, number, offsets)


def load_block(path: Path, identity: str) -> StoredBlock | None:
    """Read a block back, None if it is damaged or belongs to another run."""
    with opened(path) as file:
        first, second = file.readline(), file.readline()
        digest, starts, position = hashlib.sha256(second), [], len(first) + len(second)
        for line in file:
            digest.update(line)
            starts.append(position)
            position += len(line)
    if first != _sealed(digest.hexdigest()):
        return None
    try:
        contents = parse_json_line(second, f"'{path}'")
        number = contents["block"]
        if contents["identity"] != identity or path.name != block_path(path.parent, number).name:
            return None
        keys = [(layer, neuron) for layer, neuron in contents["keys"]]
        if not isinstance(contents["rows"], list):
            return None
        return StoredBlock(path, number, dict(zip(keys, starts, strict=True)))
    except (BenchmarkError, KeyError, TypeError, ValueError):  # sealed, but not as we write it
        return None


def _sealed(digest: str) -> bytes:
    return f"{compact({'sha256': digest})}\n".encode()


def block_rows(blocks: Iterable[StoredBlock], layer: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of all blocks, or of those of a layer, one block at a time from the disk."""
    for block in sorted((one for one in blocks if one.offsets), key=lambda one: min(one.offsets)):
        if layer is None or any(key[0] == layer for key in block.offsets):
            yield from (row for row in block.rows() if layer in (None, row["layer"]))


def explanation_lines(blocks: Sequence[StoredBlock]) -> Iterator[bytes]:
    """Yield all blocks' explanations by layer and neuron, one line at a time from the disk."""
    order = sorted((key, row) for row, block in enumerate(blocks) for key in block.offsets)
    with contextlib.ExitStack() as stack:
        current, file = -1, None
        for key, row in order:
            if row != current or file is None:
                stack.close()
                file, current = stack.enter_context(open(blocks[row].path, "rb")), row
            file.seek(blocks[row].offsets[key])
            yield file.readline()
