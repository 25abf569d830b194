"""Names of columns, boards and files in plots."""

from __future__ import annotations

import re

from benchmark.results.columns import SCORING_SETS, base_set, group_of, metric_of
from benchmark.token_text import one_line
from leaderboards.model import Leaderboard

_NAMES = {
    "pearson": "Pearson r",
    "cosine": "cosine",
    "auprc": "AUPRC",
    "f1": "F1",
    "iou": "IoU",
}


def plain(text: str) -> str:
    """Return a text in which matplotlib reads no formula, and nothing that a file of SVG cannot
    hold.
    """
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
