"""Labels of points in a plot, each where it covers neither a point nor another label."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 7
# Fine enough that letters are as wide as in the file.
DPI = 300
PIXELS = DPI / 72
# Where a label is tried on each side of what it names: so far away, in points, and shifted along
# that side by such a part of its own size.
DISTANCES = (6, 9, 13, 18, 24, 32, 42, 54, 70, 90, 115)
SLIDES = (0, 0.25, -0.25, 0.5, -0.5, 0.8, -0.8)
# Points: from here on a thin line leads from the label to its point.
LEADS = 14
# Pixels: the room around a label, and to either side of a line; a marker has three times that.
GAP, HALF = 6, 4
# How bad it is to leave the axes, to cover a label, and to cover a piece of a line.
OUT, LABEL, LINE = 10_000, 1_000, 4

Box = tuple[float, float, float, float]
"""Left, lower, right and upper edge in pixels."""
Point = Sequence[float]


@dataclass(frozen=True)
class Label:
    """A text at a point, given in the units of the axes."""

    text: str
    x: float
    y: float
    colour: str
    italic: bool = False


@dataclass(frozen=True)
class _Place:
    """A place of a label: offset and distance of its point in points, what it covers in pixels."""

    offset: tuple[float, float]
    away: float
    box: Box
    lead: list[Box]


def put_labels(drawn: Figure, axes: Any, labels: Sequence[Label]) -> None:
    """Write a label beside each point; call it last, when nothing else moves the axes.

    Labels are placed one by one, those first whose points have the nearest neighbours, where they
    cover the least of what is drawn and of each other.

    Args:
        drawn: the figure.
        axes: its axes, with everything drawn.
        labels: what to write.
    """
    drawn.set_dpi(DPI)
    drawn.draw_without_rendering()  # so that the axes are where they will be
    lines = [box for line in axes.lines for box in _boxes(axes, line)]
    placed: list[Box] = []
    for label in _hardest_first(axes, labels):
        text = axes.annotate(
            label.text,
            (label.x, label.y),
            (0, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=SIZE,
            color=label.colour,
            style="italic" if label.italic else "normal",
        )
        text.set_in_layout(False)
        costs = _Costs(axes.bbox.extents, placed, lines)
        best = min(_places(axes, label, text), key=costs.of)
        text.set_position(best.offset)
        placed.append(best.box)
        lines += best.lead
        if best.lead:
            _draw_lead(axes, label, best)


def _hardest_first(axes: Any, labels: Sequence[Label]) -> list[Label]:
    points = [axes.transData.transform((label.x, label.y)) for label in labels]

    def nearest(at: int) -> float:
        gaps = [math.dist(points[at], other) for i, other in enumerate(points) if i != at]
        return min(gaps, default=0.0)

    return [labels[at] for at in sorted(range(len(labels)), key=lambda at: (nearest(at), at))]


class _Costs:
    """How bad places are, beside the labels and lines that are there already."""

    def __init__(self, inside: Box, placed: Sequence[Box], lines: Sequence[Box]) -> None:
        self._inside = inside
        self._placed = np.array(placed).reshape(-1, 4)
        self._lines = np.array(lines).reshape(-1, 4)

    def of(self, place: _Place) -> float:
        """Return the cost of a place."""
        box = (
            *(edge - GAP for edge in place.box[:2]),
            *(edge + GAP for edge in place.box[2:]),
        )
        left, low, right, high = self._inside
        out = box[0] < left or box[1] < low or box[2] > right or box[3] > high
        labels = _overlaps(box, self._placed)
        labels += any(_overlaps(piece, self._placed) for piece in place.lead)
        return OUT * out + LABEL * labels + LINE * _overlaps(box, self._lines) + 2 * place.away


def _overlaps(box: Sequence[float], others: np.ndarray[Any, Any]) -> int:
    """Return how many boxes overlap one."""
    beside = (others[:, 0] > box[2]) | (others[:, 2] < box[0])
    above = (others[:, 1] > box[3]) | (others[:, 3] < box[1])
    return int((~(beside | above)).sum())


def _places(axes: Any, label: Label, text: Any) -> Iterator[_Place]:
    """Yield where a text might stand; it stands at its point now."""
    there = text.get_window_extent()
    width, height = there.width / PIXELS, there.height / PIXELS
    point = axes.transData.transform((label.x, label.y))
    for distance in DISTANCES:
        for slide in SLIDES:
            across, up = slide * width - width / 2, slide * height
            for offset in (
                (distance, up),
                (-distance - width, up),
                (across, distance + height / 2),
                (across, -distance - height / 2),
            ):
                box = tuple(there.translated(*(part * PIXELS for part in offset)).extents)
                end = _nearest(box, point)
                away = math.dist(end, point) / PIXELS
                yield _Place(offset, away, box, list(_along(point, end)) if away >= LEADS else [])


def _nearest(box: Box, point: Point) -> tuple[float, float]:
    """Return the point of a box that is nearest to another one."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _boxes(axes: Any, line: Any) -> Iterator[Box]:
    """Yield small boxes along a line or around its markers."""
    points = axes.transData.transform(line.get_xydata())
    if line.get_marker() not in ("", "None", None):
        yield from ((x - 3 * HALF, y - 3 * HALF, x + 3 * HALF, y + 3 * HALF) for x, y in points)
        return
    if line.get_drawstyle() == "steps-post":
        corners = [(after[0], before[1]) for before, after in itertools.pairwise(points)]
        points = [one for pair in zip(points, [*corners, points[-1]], strict=True) for one in pair]
    for before, after in itertools.pairwise(points):
        yield from _along(before, after)


def _along(before: Point, after: Point) -> Iterator[Box]:
    """Yield small boxes from one point to another."""
    steps = max(1, int(math.dist(before, after) // (2 * HALF)))
    for step in range(steps + 1):
        x = before[0] + (after[0] - before[0]) * step / steps
        y = before[1] + (after[1] - before[1]) * step / steps
        yield x - HALF, y - HALF, x + HALF, y + HALF


def _draw_lead(axes: Any, label: Label, place: _Place) -> None:
    """Draw a thin line from a label's nearest edge to its point."""
    point = axes.transData.transform((label.x, label.y))
    end = _nearest(place.box, point)
    line = axes.annotate(
        "",
        (label.x, label.y),
        ((end[0] - point[0]) / PIXELS, (end[1] - point[1]) / PIXELS),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.5, "shrinkB": 4},
    )
    line.set_in_layout(False)
