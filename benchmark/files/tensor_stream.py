"""Tensor files of any size: written piece by piece, read through a map of the file.

The format is that of safetensors, whose header can be written first because all shapes are known
before the first number is.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import torch
import xxhash
from torch import Tensor

from benchmark.files.reading import opened

NAMES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
READ_AT_ONCE = 1 << 24

Layout = Mapping[str, tuple[torch.dtype, Sequence[int]]]


class TensorStream:
    """A safetensors file that takes its tensors one after the other, in the order of a layout.

    Args:
        file: a new binary file.
        layout: type and shape of every tensor by name.

    Raises:
        OSError: the disk does not hold it.
    """

    def __init__(self, file: IO[bytes], layout: Layout) -> None:
        self._file = file
        self._digest = xxhash.xxh3_128()
        header = _header(layout)
        _reserve(file, len(header) + layout_bytes(layout))
        self._left = [(name, dtype, list(shape)) for name, (dtype, shape) in layout.items()]
        self._put(header)

    def write(self, tensor: Tensor) -> None:
        """Append the next tensor of the layout.

        Raises:
            ValueError: it is not of the type and shape that were announced.
            OSError: the file cannot be written.
        """
        name, dtype, shape = self._left.pop(0) if self._left else ("none", None, [])
        if tensor.dtype != dtype or list(tensor.shape) != shape:
            raise ValueError(f"'{name}' is to be {dtype} {shape}, not {tensor.dtype}")
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        self._put(flat.view(torch.uint8).numpy().data)

    def digest(self) -> str:
        """Return the XXH3 of the whole file.

        Raises:
            ValueError: tensors of the layout are missing.
        """
        if self._left:
            raise ValueError(f"'{self._left[0][0]}' was not written")
        return self._digest.hexdigest()

    def _put(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._digest.update(data)


def digest_of(path: Path) -> str:
    """Return the XXH3 of a file's content.

    Raises:
        OSError: it cannot be read.
        BenchmarkError: it is no regular file.
    """
    digest = xxhash.xxh3_128()
    with opened(path) as file:
        while part := file.read(READ_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def layout_bytes(layout: Layout) -> int:
    """Return how many bytes the tensors of a layout take."""
    return sum(dtype.itemsize * math.prod(shape) for dtype, shape in layout.values())


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the room of a file at once, where the system can: writing is several times as fast.

    Raises:
        OSError: there is not so much.
    """
    reserve = getattr(os, "posix_fallocate", None)
    if reserve is None:
        return
    try:
        reserve(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


def _header(layout: Layout) -> bytes:
    """Return the length of the header and the header, padded so that tensors are aligned."""
    described, position = {}, 0
    for name, (dtype, shape) in layout.items():
        size = dtype.itemsize * math.prod(shape)
        described[name] = {
            "dtype": NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [position, position + size],
        }
        position += size
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
