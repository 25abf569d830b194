"""Progress bars with rates, on stderr, for whatever takes longer than a moment."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from benchmark.token_text import one_line

SECONDS_BETWEEN_LINES_OF_A_LOG = 15.0
SECONDS_BEFORE_A_BAR = 0.5


def progress(total: int, description: str, unit: str, *, inner: bool = False) -> tqdm[Any]:
    """A bar that counts `total` units; in a log, where no person watches, a line now and then.

    What is over before anybody could read it shows no bar. An inner one stands instead of
    the bar around it and leaves nothing behind.
    """
    return tqdm(
        total=total,
        desc=one_line(description),
        unit=f" {unit}",
        unit_scale=True,
        smoothing=0.05,
        mininterval=0.2 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES_OF_A_LOG,
        delay=SECONDS_BEFORE_A_BAR,
        dynamic_ncols=True,
        position=0 if inner else None,
        leave=not inner,
    )
