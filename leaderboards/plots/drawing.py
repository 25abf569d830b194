"""Beginning and end of every plot: one style, its names, and files that are the same each time."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, unknown
from benchmark.results.columns import SCORING_SETS, base_set, group_of, metric_of
from benchmark.token_text import one_line
from leaderboards.model import Leaderboard, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
STYLE = Path(__file__).parent / "paper.mplstyle"
COLUMN, PAGE = 3.35, 6.9
"""Inches: the width of a column of a paper, and of a page."""

CONTROL_COLOUR = "#9a9a9a"
MARKERS = "osD^vPX*"

# A date would make every file another one.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": "neuron-simulator-benchmark"},
    "png": {"Software": "neuron-simulator-benchmark"},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": "neuron-simulator-benchmark"},
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Set the plots' style, independent of the user's own settings of matplotlib."""
    from matplotlib import style as styles

    with styles.context(["default", str(STYLE)]):
        yield


def figure(width: float, height: float, **options: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes, by `Figure.subplots`; it needs no display and stays private.

    Args:
        width: in inches.
        height: in inches.
        **options: as `Figure.subplots` takes them.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots(**options)


def finish(drawn: Figure, axes: Any, title: str, *, legend_columns: int = 3) -> None:
    """Put the title above the axes at the left edge, and the legend below them all."""
    drawn.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
    handles, names = axes.get_legend_handles_labels()
    if handles:
        drawn.legend(handles, names, loc="outside lower center", ncols=legend_columns)


def encoded(drawn: Figure, form: str) -> bytes:
    """Return a figure as the bytes of a file, the same bytes each time.

    Raises:
        BenchmarkError: the format is not known.
    """
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    buffer = io.BytesIO()
    with style():
        drawn.savefig(buffer, format=form, metadata=_METADATA[form])
    return buffer.getvalue()


def colours(rows: Sequence[Row]) -> dict[str, str]:
    """Return a colour for each explainer that is no control, by name, so that plots agree."""
    cycle = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00", "#000000"]
    names = sorted({row.explainer for row in rows if not row.control})
    return {name: cycle[place % len(cycle)] for place, name in enumerate(names)}


def markers(rows: Sequence[Row]) -> dict[str, str]:
    """Return a marker for each explainer that is no control, so that not only colour tells."""
    names = sorted({row.explainer for row in rows if not row.control})
    return {name: MARKERS[place % len(MARKERS)] for place, name in enumerate(names)}


def measured(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that have a score which may be compared: what is unverified is not drawn.

    Raises:
        BenchmarkError: none has.
    """
    found = [row for row in rows if row.key.mean is not None and not row.unverified]
    if not found:
        raise BenchmarkError("there is nothing to plot: no run has a score.")
    return found


_NAMES = {
    "pearson": "Pearson r",
    "cosine": "cosine",
    "auprc": "AUPRC",
    "f1": "F1",
    "iou": "IoU",
}


def plain(text: str) -> str:
    """Return a text in which matplotlib reads no formula and which a file of SVG can hold."""
    return one_line(text).replace("$", r"\$")


def axis_name(column: str) -> str:
    """Return a column in words: `uniform/pearson` is `mean Pearson r, uniform text`."""
    scoring_set, name = group_of(column), metric_of(column)
    if base_set(scoring_set) not in SCORING_SETS:
        return plain(f"mean {column}")
    return f"mean {_NAMES.get(name, name)}, {scoring_set.replace('_', ' ')} text"


def title_of(board: Leaderboard) -> str:
    """Return the subject and corpus, and which group of them where there are several."""
    number = f" ({board.group})" if board.group > 1 else ""
    return plain(f"{board.subject} on {board.corpus}{number}")


def file_name(*parts: str) -> str:
    """Return a name of a file without suffix."""
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("._") or "_" for part in parts)
