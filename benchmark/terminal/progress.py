"""Progress bars with rates, on stderr or in a notebook, for whatever takes more than a moment."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

from tqdm import tqdm

from benchmark.token_text import one_line

SECONDS_BETWEEN_LINES_OF_A_LOG = 15.0
SECONDS_BEFORE_A_BAR = 0.5


def progress(total: int, description: str, unit: str, *, inner: bool = False) -> tqdm[Any]:
    """Return a bar that counts `total` units; in a log, where no person watches, lines.

    What is over before anybody could read it shows no bar. An inner one stands instead of
    the bar around it and leaves nothing behind. In a notebook it is a bar of the notebook.
    """
    bar = _bar()
    watched = sys.stderr.isatty() or bar is not tqdm
    return bar(
        total=total,
        desc=one_line(description),
        unit=f" {unit}",
        unit_scale=True,
        smoothing=0.05,
        mininterval=0.2 if watched else SECONDS_BETWEEN_LINES_OF_A_LOG,
        delay=SECONDS_BEFORE_A_BAR,
        dynamic_ncols=True,
        position=0 if inner else None,
        leave=not inner,
    )


def _bar() -> type[tqdm[Any]]:
    """Return a notebook's bar where one runs and has ipywidgets to draw it, else that of text."""
    if "IPython" not in sys.modules:
        return tqdm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm recommends ipywidgets where they are missing
        autonotebook = importlib.import_module("tqdm.autonotebook")
    found: type[tqdm[Any]] = autonotebook.tqdm
    return found
