"""Quality against size or cost, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from leaderboards.model import BYTES, SECONDS, SUBJECT_TOKENS, Leaderboard, Row
from leaderboards.plots.drawing import (
    COLUMN,
    axis_name,
    colours,
    figure,
    finish,
    markers,
    measured,
    plain,
    style,
    title_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = {
    BYTES: "bytes of an explanation (mean)",
    SUBJECT_TOKENS: "subject tokens to explain a neuron (mean)",
    SECONDS: "seconds to explain a neuron (mean)",
}


def quality_against(board: Leaderboard, cost: str = BYTES) -> Figure:
    """Return one point a run that is no control; runs of one explainer are joined by a line.

    Points on the Pareto front are filled and the front is drawn as steps. A cost of nothing stands
    at the left edge of the logarithmic axis.

    Args:
        board: the leaderboard.
        cost: `bytes`, `subject_tokens` or `explain_seconds`.

    Raises:
        BenchmarkError: no explainer has both a score and that cost.
    """
    rows = [row for row in board.rows if not row.control and row.cost(cost) is not None]
    if not rows:
        raise BenchmarkError(f"there is nothing to plot: no explainer has a score and {cost}.")
    rows = measured(rows)
    from matplotlib.ticker import NullFormatter

    with style():
        drawn, axes = figure(COLUMN, 3.0)
        smallest = min((row.cost(cost) or 0 for row in rows if row.cost(cost)), default=1.0)
        edge = smallest / 4

        def at(row: Row) -> float:
            return max(row.cost(cost) or 0.0, edge)

        draw_front(axes, [row for row in rows if cost in row.fronts], at)
        colour, marker = colours(rows), markers(rows)
        for name in sorted({row.explainer for row in rows}):
            own = sorted((row for row in rows if row.explainer == name), key=at)
            _draw_runs(axes, own, at, cost, colour[name], marker[name], name)
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.14, y=0.16)
        axes.set_xlabel(AXES[cost])
        axes.set_ylabel(axis_name(board.ranked_by))
        if any(not row.cost(cost) for row in rows):
            axes.axvline(edge, color="#bbbbbb", linewidth=0.7, linestyle=":")
            axes.annotate(
                "0",
                (edge, 0),
                (0, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                color="#666666",
            )
        finish(drawn, axes, title_of(board))
    return drawn


def _draw_runs(
    axes: Any, rows: Sequence[Row], at: Any, cost: str, colour: str, marker: str, name: str
) -> None:
    """Draw the runs of one explainer: a line, and for each a point with its interval."""
    axes.plot(
        [at(row) for row in rows], [row.key.mean for row in rows], color=colour, linewidth=1.1
    )
    for row in rows:
        mean, low, high = row.key.mean, row.key.low, row.key.high
        assert mean is not None
        if low is not None and high is not None:
            axes.plot([at(row)] * 2, [low, high], color=colour, linewidth=0.9, alpha=0.6)
        filled = cost in row.fronts
        axes.plot(
            [at(row)],
            [mean],
            marker,
            color=colour,
            markersize=5.5,
            markerfacecolor=colour if filled else "white",
            markeredgewidth=1.1,
        )
    # What the legend shows: the point of a run, filled or not being no property of the explainer.
    axes.plot(
        [], [], marker, linestyle="-" if len(rows) > 1 else "", color=colour, label=plain(name)
    )


def draw_front(axes: Any, rows: Sequence[Row], at: Any) -> None:
    """Draw the best quality for at most that cost, as steps to the right."""
    ordered = sorted(rows, key=at)
    if len(ordered) > 1:
        axes.step(
            [at(row) for row in ordered],
            [row.key.mean for row in ordered],
            where="post",
            color="#888888",
            linewidth=0.9,
            linestyle="--",
            label="Pareto front",
        )
