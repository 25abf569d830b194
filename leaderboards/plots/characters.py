"""Quality against the length of explanations that are read whole, with the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError
from leaderboards.model import CHARACTERS, Leaderboard, Row
from leaderboards.plots.drawing import (
    CONTROL_COLOUR,
    PAGE,
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
from leaderboards.plots.fronts import draw_front
from leaderboards.plots.labels import Label, put_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTROL_MARKER = "s"


def quality_against_characters(board: Leaderboard) -> Figure:
    """Return one point a run whose texts are whole explanations; controls are grey.

    Runs of one explainer that saw the same are joined by a line, which has one label; points on the
    Pareto front are filled and the front is drawn as steps.

    Args:
        board: the leaderboard.

    Raises:
        BenchmarkError: no run has a score and complete texts, or controls alone have.
    """
    rows = [row for row in board.rows if row.characters is not None]
    if all(row.control for row in rows):
        raise BenchmarkError(
            "there is nothing to plot: no explainer has a score and complete texts."
        )
    rows = measured(rows)
    with style():
        drawn, axes = figure(PAGE, 4.2)
        colour, marker = colours(rows), markers(rows)
        draw_front(axes, [row for row in rows if CHARACTERS in row.fronts], _length)
        labels = []
        curves = sorted({(row.explainer, row.evidence) for row in rows})
        for name, evidence in curves:
            own = [row for row in rows if (row.explainer, row.evidence) == (name, evidence)]
            own.sort(key=_length)
            is_curve = len(own) > 1 and not own[0].control
            if is_curve:
                points = [_length(row) for row in own], [row.key.mean for row in own]
                axes.plot(*points, color=colour[name], linewidth=1.1)
            for row in own:
                shade = CONTROL_COLOUR if row.control else colour[name]
                shape = CONTROL_MARKER if row.control else marker[name]
                at, mean = _length(row), row.key.mean
                assert mean is not None
                low, high = row.key.low, row.key.high
                if low is not None and high is not None:
                    axes.plot([at, at], [low, high], color=shade, linewidth=0.9, alpha=0.6)
                axes.plot(
                    [at],
                    [mean],
                    shape,
                    color=shade,
                    markersize=5.5,
                    markerfacecolor=shade if CHARACTERS in row.fronts else "white",
                    markeredgewidth=1.1,
                )
                if not is_curve:
                    labels.append(Label(_lines(row.label), at, mean, shade, italic=row.control))
                elif row is own[-1]:
                    twice = sum(other == name for other, _ in curves) > 1
                    text = f"{plain(name)}\n{plain(evidence)}" if twice else plain(name)
                    labels.append(Label(text, at, mean, shade))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        # Labels stand to the right of their points where there is room.
        ends = [_length(row) for row in rows]
        axes.set_xlim(min(ends) / 1.6, max(ends) * 4)
        axes.margins(y=0.15)
        axes.set_xlabel("characters of the whole text of an explanation (mean)")
        axes.set_ylabel(axis_name(board.ranked_by))
        finish(drawn, axes, title_of(board))
        put_labels(drawn, axes, labels)
    return drawn


def _lines(label: str) -> str:
    """Return a label with the options, which stand in brackets, on lines of their own."""
    name, bracket, options = label.partition(" (")
    if not bracket:
        return plain(label)
    return "\n".join([plain(name), *map(plain, options.removesuffix(")").split(", "))])


def _length(row: Row) -> float:
    """Return the place of a run on the axis, which has no zero."""
    return max(row.characters or 0.0, 1.0)
