"""Values that stand for nothing but themselves, in configurations that OmegaConf reads."""

from __future__ import annotations

import re
from typing import Any


def literal(value: Any) -> Any:
    """Return a JSON value in which OmegaConf finds no interpolation: `${...}` comes out as it is.

    Results and paths are data; `${oc.env:TOKEN}` in somebody's file must not be looked up.
    """
    if isinstance(value, str):
        # OmegaConf halves backslashes before an interpolation, and takes an odd one for an escape.
        return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    if isinstance(value, dict):
        return {key: literal(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [literal(entry) for entry in value]
    return value
