"""Score against layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.evaluation.record import mean_with_intervals
from leaderboards.model import Leaderboard, Row
from leaderboards.plots.drawing import (
    COLUMN,
    CONTROL_COLOUR,
    colours,
    figure,
    finish,
    markers,
    measured,
    style,
)
from leaderboards.plots.names import axis_name, plain, title_of
from leaderboards.ranking import LEVEL, SEED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESAMPLES = 2_000


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
                _draw_control(axes, row, board.layers, column)
                continue
            means = [row.layers.get(layer, {}).get(column) for layer in board.layers]
            axes.plot(
                board.layers,
                [float("nan") if mean is None else mean for mean in means],
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


def _draw_control(axes: object, row: Row, layers: list[int], column: str) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    means = [row.layers.get(layer, {}).get(column) for layer in layers]
    values = [float("nan") if mean is None else mean for mean in means]
    axes.plot(layers, values, color=CONTROL_COLOUR, linewidth=0.8)


def _interval(row: Row, layer: int, column: str) -> tuple[float, float]:
    scores = row.run.scores
    if column not in scores.columns:
        return float("nan"), float("nan")
    of_layer, replicates = scores.column("layer") == layer, scores.replicates(column)
    found = mean_with_intervals(
        scores.column(column)[of_layer],
        replicates=None if replicates is None else replicates.rows(of_layer),
        resamples=RESAMPLES,
        level=LEVEL,
        seed=SEED,
    )
    if found.low is None or found.high is None:
        return float("nan"), float("nan")
    return found.low, found.high
