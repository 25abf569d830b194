"""Size of an explanation: compressed bytes of the part of its saved form that simulates."""

from __future__ import annotations

import bz2
import json
from collections.abc import Mapping
from typing import Any

SHOWN = "shown"
"""The key of `to_dict` under which an explanation keeps what is for people alone.

It is saved and given back to `from_dict`, and does not count as size. An explanation without it
simulates exactly the same.
"""

COMPRESSION_LEVEL = 9
SIZE_MEASURE = f"bzip2-{COMPRESSION_LEVEL} of canonical JSON without '{SHOWN}'"
"""How `cost/bytes` is measured, as a run records it; sizes by another measure are not compared."""


def explanation_bytes(data: Mapping[str, Any]) -> int:
    """Return the size of an explanation that `to_dict` gave: its `cost/bytes`.

    Counted are the bytes of canonical JSON (keys sorted, no spaces, UTF-8) without the entry
    `shown`, compressed by bzip2 at level 9. Of the compressors in Python's standard library it is
    the one whose output does not depend on the machine: there is one implementation of its encoder,
    whereas zlib and its replacements (zlib-ng, as in some builds of Python) give other lengths at
    the same level, and that of xz may change with its version. Its frame takes about 40 bytes, so
    nothing is smaller.

    Raises:
        TypeError, ValueError: the data have no JSON form, or keys that are not strings.
    """
    simulating = {key: value for key, value in data.items() if key != SHOWN}
    text = json.dumps(
        simulating, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return len(bz2.compress(text.encode("utf-8"), COMPRESSION_LEVEL))
