"""Numbers and tokens as short strings, and values as JavaScript that holds nothing but data.

`assets/contexts.js` reads what is written here.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.encoding import plain

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LETTERS = np.frombuffer(ALPHABET, dtype=np.uint8)
# One letter covers 0 to 1.25 of a neuron's scale: a prediction may lie above what was ever seen.
TOP_OF_LETTER = 1.25
_LEVELS = 62
_LARGEST_PAIR = 64 * 64 - 1

# What could end a script or a comment in it, and what JavaScript takes for the end of a line.
_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def letters(values: NDArray[np.floating[Any]], scale: float) -> str:
    """Return one letter a value: 0 for nothing or less, else a step of a fiftieth of `scale`."""
    share = np.nan_to_num(np.asarray(values, dtype=np.float64).ravel() / max(scale, 1e-30))
    level = np.rint(share / TOP_OF_LETTER * _LEVELS).clip(0, _LEVELS).astype(np.int64)
    # What is not nothing is to be told from nothing.
    level = np.where((share > 0.002) & (level == 0), 1, level)
    return _LETTERS[level].tobytes().decode("ascii")


def numbers(values: NDArray[np.integer[Any]], width: int) -> str:
    """Return `width` letters a whole number that is below 64 to the power of `width`.

    Raises:
        ValueError: a number is out of range.
    """
    whole = np.asarray(values, dtype=np.int64).ravel()
    if len(whole) and (whole.min() < 0 or whole.max() >= 64**width):
        raise ValueError(f"a number lies outside 0 to {64**width - 1}")
    digits = [(whole >> (6 * place)) & 63 for place in reversed(range(width))]
    return _LETTERS[np.stack(digits, axis=1).ravel()].tobytes().decode("ascii")


def positions(values: NDArray[np.floating[Any]], low: float, high: float) -> str:
    """Return two letters a value between `low` and `high`."""
    share = (np.asarray(values, dtype=np.float64) - low) / max(high - low, 1e-30)
    return numbers(np.rint(share.clip(0, 1) * _LARGEST_PAIR).astype(np.int64), 2)


def json_text(value: Any) -> str:
    """Return JSON that can stand anywhere in a script or page: it holds no `<`, `>` or `&`."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def data_script(kind: str, value: Any) -> str:
    """Return a file that hands a value to the page: from a disk a page may not load JSON."""
    return f"report.receive({json_text(kind)},{json_text(value)});\n"


def rounded(value: float | None, digits: int = 4) -> float | None:
    """Return a number with few significant digits, for data that is drawn."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")
