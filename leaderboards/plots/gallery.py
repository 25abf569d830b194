"""All plots of some leaderboards, by the names of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError, unknown
from benchmark.results.columns import UNIFORM
from leaderboards.model import BYTES, SECONDS, SUBJECT_TOKENS, Leaderboard
from leaderboards.plots.bars import bars
from leaderboards.plots.characters import quality_against_characters
from leaderboards.plots.drawing import file_name
from leaderboards.plots.fronts import quality_against
from leaderboards.plots.layers import score_against_layer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS = ("bars", "size", "characters", "tokens", "seconds", "layers")
_COSTS = {"size": BYTES, "tokens": SUBJECT_TOKENS, "seconds": SECONDS}


def plots_of(
    boards: Sequence[Leaderboard], names: Sequence[str] = PLOTS
) -> Iterator[tuple[str, Figure]]:
    """Yield each plot of each subject and corpus, with the name of its file without suffix.

    A plot for which there is nothing to show, such as quality against size of controls alone, is
    left out.

    Raises:
        BenchmarkError: a plot is not known.
    """
    for name in names:
        if name not in PLOTS:
            raise unknown("plot", name, PLOTS)
    for board in boards:
        if board.scoring_set != UNIFORM or not board.rows:
            continue
        where = [board.subject, board.corpus, *([str(board.group)] if board.group > 1 else [])]
        for name in names:
            try:
                yield file_name(*where, name), _draw(board, name)
            except BenchmarkError:
                continue


def _draw(board: Leaderboard, name: str) -> Figure:
    if name == "bars":
        return bars(board)
    if name == "layers":
        return score_against_layer(board)
    if name == "characters":
        return quality_against_characters(board)
    return quality_against(board, _COSTS[name])
