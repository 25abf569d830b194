"""Decimal forms of float32 numbers, which JSON does not have: short, and nothing is lost."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

# Nine significant digits tell all float32 numbers from each other (IEEE 754).
DIGITS = 9


def shortest(value: float) -> float:
    """Round to the number with the fewest digits that is the same float32."""
    return float(np.float32(value).astype(np.str_))


def decimals(values: Float[Tensor, " n"]) -> list[float]:
    """Return numbers of nine significant digits, each the same float32 as the value.

    The float32 0.1, for example, would otherwise be saved as 0.10000000149011612.
    """
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
