"""The leaderboard as bars with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaderboards.model import Leaderboard
from leaderboards.plots.drawing import (
    COLUMN,
    CONTROL_COLOUR,
    axis_name,
    colours,
    figure,
    finish,
    measured,
    plain,
    style,
    title_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES_A_BAR, INCHES_AROUND = 0.19, 0.75


def bars(board: Leaderboard) -> Figure:
    """Return one bar a row, best at the top, with 95 % interval and number; controls are grey.

    Raises:
        BenchmarkError: no row has a score.
    """
    rows = measured(board.rows)
    with style():
        drawn, axes = figure(COLUMN, INCHES_AROUND + INCHES_A_BAR * len(rows))
        colour = colours(rows)
        for place, row in enumerate(rows):
            mean, low, high = row.key.mean, row.key.low, row.key.high
            assert mean is not None
            axes.barh(
                place,
                mean,
                height=0.68,
                color=CONTROL_COLOUR if row.control else colour[row.explainer],
                alpha=0.55 if row.control else 0.9,
            )
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color="#222222", linewidth=0.9)
                axes.plot([low, high], [place] * 2, "|", color="#222222", markersize=4)
            end = max(0.0, mean, high if high is not None else 0.0)
            text = f"{round(mean, 2) + 0.0:.2f}" + f" {row.mark()}".rstrip()
            axes.annotate(
                text, (end, place), (3, 0), textcoords="offset points", va="center", fontsize=7
            )
        axes.set_yticks(range(len(rows)), [plain(row.label) for row in rows])
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_style("italic" if row.control else "normal")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.axvline(0, color="#444444", linewidth=0.7)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        low_end = min(0.0, *(row.key.low or 0.0 for row in rows))
        high_end = max(row.key.high or row.key.mean or 0 for row in rows)
        # An axis needs a length, also where every score is 0.
        axes.set_xlim(low_end * 1.1, high_end * 1.16 if high_end > low_end else low_end + 1)
        axes.set_xlabel(axis_name(board.ranked_by))
        finish(drawn, axes, title_of(board))
    return drawn
