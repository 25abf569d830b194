"""Arrays of numbers as they are saved where there are many: little-endian bytes in base64."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from jaxtyping import Int

FLOAT = "<f4"
_UNSIGNED = ("u1", "<u2", "<u4", "<u8")


def pack(values: Any, kind: str) -> str:
    """An array's numbers as `kind` (a NumPy type such as `<f4`), row by row, in base64."""
    array = np.ascontiguousarray(values, dtype=np.dtype(kind))
    return base64.b64encode(array.tobytes()).decode("ascii")


def unpack(text: str, kind: str, shape: tuple[int, ...]) -> Any:
    """The array that `pack` wrote.

    Raises:
        ValueError: it is damaged: no base64, or not as many numbers as the shape holds.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"numbers are damaged: {error}") from error
    dtype = np.dtype(kind)
    if min(shape, default=0) < 0 or len(raw) != dtype.itemsize * int(np.prod(shape)):
        raise ValueError(f"{len(raw)} bytes are not an array of {kind}, {list(shape)}")
    return np.frombuffer(raw, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))


def smallest_kind(ids: Int[np.ndarray, "*shape"]) -> str:
    """The smallest unsigned type that holds all ids."""
    largest = int(ids.max(initial=0))
    return next(kind for kind in _UNSIGNED if largest <= np.iinfo(np.dtype(kind)).max)
