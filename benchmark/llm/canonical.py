"""Requests and identities as text that is the same for equal ones."""

from __future__ import annotations

import dataclasses
import json
from typing import Any


def canonical(value: Any) -> str:
    """Return a request or an identity as JSON text that is the same for equal values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
