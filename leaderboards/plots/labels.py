"""Labels of points in a plot, each where it covers neither a point nor another label."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 7
# Fine enough that letters are as wide as in the file.
DPI = 300
PIXELS = DPI / 72
# Where a label is tried on each side of what it names: so far away, in points, and shifted along
# that side by such a part of its own size.
DISTANCES = (6, 9, 13, 18, 24, 32, 42, 54, 70, 90, 115, 145, 180)
SLIDES = (0, 0.25, -0.25, 0.5, -0.5, 0.8, -0.8)
# How often each label is placed, the second time knowing all others.
ROUNDS = 3
# Points: from here on a thin line leads from the label to its point.
LEADS = 14
# Pixels: the room around a label, and to either side of a line; a marker has three times that.
GAP, HALF = 6, 4
# How bad it is to leave the axes, to cover a label, to cross one with the line that leads to the
# point, to cover a piece of a line, and to be a point away.
OUT, LABEL, CROSSED, LINE, AWAY = 10_000, 1_000, 300, 4, 2

Boxes = Float[np.ndarray, "boxes 4"]
"""Left, lower, right and upper edges in pixels."""
Point = Sequence[float]


@dataclass(frozen=True)
class Label:
    """A text at a point, given in the units of the axes."""

    text: str
    x: float
    y: float
    colour: str
    italic: bool = False


def put_labels(drawn: Figure, axes: Any, labels: Sequence[Label]) -> None:
    """Write a label beside each point; call it last, when nothing else moves the axes.

    Labels are placed one by one, those first whose points have the nearest neighbours, where they
    cover the least of what is drawn and of each other; then each once more, knowing the others.

    Args:
        drawn: the figure.
        axes: its axes, with everything drawn.
        labels: what to write.
    """
    drawn.set_dpi(DPI)
    drawn.draw_without_rendering()  # so that the axes are where they will be
    lines = np.array([box for line in axes.lines for box in _pieces(axes, line)]).reshape(-1, 4)
    placed = [_Placed(axes, label, lines) for label in _hardest_first(axes, labels)]
    for _ in range(ROUNDS):
        for one in placed:
            one.choose([other for other in placed if other is not one])
    for one in placed:
        one.write()


def _hardest_first(axes: Any, labels: Sequence[Label]) -> list[Label]:
    points = [axes.transData.transform((label.x, label.y)) for label in labels]

    def nearest(at: int) -> float:
        gaps = [math.dist(points[at], other) for i, other in enumerate(points) if i != at]
        return min(gaps, default=0.0)

    return [labels[at] for at in sorted(range(len(labels)), key=lambda at: (nearest(at), at))]


class _Placed:
    """A label, the places where it might stand, and the one where it does.

    Attributes:
        at: the number of its place; None before it has one.
    """

    def __init__(self, axes: Any, label: Label, lines: Boxes) -> None:
        self.at: int | None = None
        self._axes, self._label = axes, label
        self._text = axes.annotate(
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
        self._text.set_in_layout(False)
        there = self._text.get_window_extent()
        self._point = axes.transData.transform((label.x, label.y))
        self._offsets = list(_offsets(there.width / PIXELS, there.height / PIXELS))
        moved = np.tile(np.array(self._offsets) * PIXELS, 2)
        self._boxes = np.array(there.extents) + moved
        self._ends = [_nearest(box, self._point) for box in self._boxes]
        away = np.array([math.dist(end, self._point) for end in self._ends]) / PIXELS
        self._leads = [
            np.array(list(_along(end, self._point) if far >= LEADS else ())).reshape(-1, 4)
            for end, far in zip(self._ends, away, strict=True)
        ]
        self._wide = self._boxes + np.array([-GAP, -GAP, GAP, GAP])
        inside = np.array(axes.bbox.extents)
        out = (self._wide[:, :2] < inside[:2]) | (self._wide[:, 2:] > inside[2:])
        covered = _overlaps(self._wide, lines).sum(1)
        self._costs = OUT * out.any(1) + LINE * covered + AWAY * away

    def choose(self, others: Sequence[_Placed]) -> None:
        """Take the best place beside others, those of them that have one."""
        taken = [(other, other.at) for other in others if other.at is not None]
        boxes = np.array([other._boxes[at] for other, at in taken]).reshape(-1, 4)
        leads = np.concatenate([np.empty((0, 4)), *(other._leads[at] for other, at in taken)])
        crossed = np.array([_overlaps(lead, boxes).any() for lead in self._leads])
        costs = self._costs + LABEL * _overlaps(self._wide, boxes).sum(1) + CROSSED * crossed
        self.at = int((costs + LINE * _overlaps(self._wide, leads).sum(1)).argmin())

    def write(self) -> None:
        """Move the text to its place, with a thin line to its point where that is far."""
        assert self.at is not None
        self._text.set_position(self._offsets[self.at])
        if not len(self._leads[self.at]):
            return
        label, end = self._label, self._ends[self.at]
        line = self._axes.annotate(
            "",
            (label.x, label.y),
            ((end[0] - self._point[0]) / PIXELS, (end[1] - self._point[1]) / PIXELS),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.5, "shrinkB": 4},
        )
        line.set_in_layout(False)


def _offsets(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Yield in points where the left end of a text might stand, seen from its point."""
    for distance in DISTANCES:
        left, below = -distance - width, -distance - height / 2
        for slide in SLIDES:
            across, up = slide * width - width / 2, slide * height
            yield from ((distance, up), (left, up), (across, -below), (across, below))
        yield from itertools.product((distance, left), (-below, below))


def _overlaps(some: Boxes, others: Boxes) -> NDArray[np.bool_]:
    """Return which boxes overlap which other ones, `[some, others]`."""
    one, other = some[:, None], others[None]
    apart = (one[..., :2] > other[..., 2:]) | (one[..., 2:] < other[..., :2])
    return np.asarray(~apart.any(-1))


def _nearest(box: Sequence[float], point: Point) -> tuple[float, float]:
    """Return the point of a box that is nearest to another one."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _pieces(axes: Any, line: Any) -> Iterator[tuple[float, ...]]:
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


def _along(before: Point, after: Point) -> Iterator[tuple[float, ...]]:
    """Yield small boxes from one point to another."""
    steps = max(1, int(math.dist(before, after) // (2 * HALF)))
    for step in range(steps + 1):
        x = before[0] + (after[0] - before[0]) * step / steps
        y = before[1] + (after[1] - before[1]) * step / steps
        yield x - HALF, y - HALF, x + HALF, y + HALF
