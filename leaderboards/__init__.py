"""Tables, submissions and plots built from results files.

    results = leaderboards.read_results(["results"])
    for board in leaderboards.build(results.runs):
        print(board.subject, board.corpus, board.scoring_set, [row.label for row in board.rows])

Names are loaded on first use, so that `import leaderboards` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaderboards.boards import build
    from leaderboards.model import Difference, Excluded, Leaderboard, Row, Score, Track
    from leaderboards.result_folders import Results, Unread, read_results
    from leaderboards.subjects import AverageRow, SubjectAverage, average_over_subjects

__all__ = [
    "AverageRow",
    "Difference",
    "Excluded",
    "Leaderboard",
    "Results",
    "Row",
    "Score",
    "SubjectAverage",
    "Track",
    "Unread",
    "average_over_subjects",
    "build",
    "read_results",
]

_MODULES = {
    "leaderboards.subjects": ("SubjectAverage", "AverageRow", "average_over_subjects"),
    "leaderboards.boards": ("build",),
    "leaderboards.model": ("Excluded", "Difference", "Leaderboard", "Row", "Score", "Track"),
    "leaderboards.result_folders": ("Results", "Unread", "read_results"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'leaderboards' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
