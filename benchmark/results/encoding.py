"""JSON forms of values, records and explanations."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any

from benchmark.errors import BenchmarkError


def plain(value: Any, where: str = "value") -> Any:
    """Convert a value to JSON's own types: what reading it back from JSON would give.

    A number that is not finite becomes None, as does the metric of a neuron that cannot be
    computed. NumPy and torch scalars and arrays, tuples, paths and dataclasses are converted;
    keys become strings.

    Raises:
        TypeError: the value has no JSON form; the message says where it is.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(key): plain(entry, f"{where}.{key}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry, f"{where}[{row}]") for row, entry in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name), f"{where}.{name}") for name in names}
    if hasattr(value, "tolist"):  # NumPy arrays and scalars, torch tensors
        return plain(value.tolist(), where)
    raise TypeError(f"{where} has no JSON form: {type(value).__name__} {value!r:.80}")


def compact(value: Any) -> str:
    """Write JSON on one line without spaces, UTF-8 as it is; infinities and NaN are refused.

    Raises:
        TypeError, ValueError: the value has no JSON form.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def explanation_text(data: Mapping[str, Any]) -> str:
    """Write an explanation's `to_dict` as the JSON text that is saved.

    Raises:
        BenchmarkError: it holds something that JSON has no form for, such as a tensor or NaN.
    """
    try:
        text = compact(data)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise BenchmarkError(
            f"an explanation's to_dict() is not JSON: {error}. "
            "It may hold only dicts, lists, strings, finite numbers, booleans and None."
        ) from error
    return text
