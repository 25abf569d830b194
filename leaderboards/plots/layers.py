"""Score against layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaderboards.model import Leaderboard, Row
from leaderboards.plots.drawing import (
    COLUMN,
    CONTROL_COLOUR,
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
from leaderboards.rows import mean_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def score_against_layer(board: Leaderboard, column: str | None = None) -> Figure:
    """Return one line an explainer, with the 95 % interval of a layer's mean as a band.

    The interval is over the layer's neurons and the held-out documents; over neurons alone where
    the documents were not resampled.

    Of several runs of one explainer the best is drawn. Controls are thin grey lines.

    Args:
        board: the leaderboard.
        column: what to plot, by default what ranks.

    Raises:
        BenchmarkError: no row has a score.
    """
    column = column or board.ranked_by
    rows = measured(board.rows)
    with style():
        drawn, axes = figure(COLUMN, 3.2)
        colour, marker = colours(rows), markers(rows)
        best = {row.explainer: row for row in reversed(rows)}
        for row in (row for row in rows if row is best[row.explainer]):
            if row.control:
                means = _means(row, board.layers, column)
                axes.plot(board.layers, means, color=CONTROL_COLOUR, linewidth=0.8)
                continue
            axes.plot(
                board.layers,
                _means(row, board.layers, column),
                marker=marker[row.explainer],
                color=colour[row.explainer],
                label=plain(row.label),
            )
            bands = [_interval(row, layer, column) for layer in board.layers]
            axes.fill_between(
                board.layers,
                [low for low, _ in bands],
                [high for _, high in bands],
                color=colour[row.explainer],
                alpha=0.1,
                linewidth=0,
            )
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("layer")
        axes.set_ylabel(axis_name(column))
        axes.plot([], [], color=CONTROL_COLOUR, linewidth=0.8, label="controls")
        finish(drawn, axes, title_of(board), legend_columns=2)
    return drawn


def _means(row: Row, layers: list[int], column: str) -> list[float]:
    means = [row.layers.get(layer, {}).get(column) for layer in layers]
    return [float("nan") if mean is None else mean for mean in means]


def _interval(row: Row, layer: int, column: str) -> tuple[float, float]:
    found = mean_of(row.run, column, layer) if column in row.run.scores.columns else None
    if found is None or found.low is None or found.high is None:
        return float("nan"), float("nan")
    return found.low, found.high
