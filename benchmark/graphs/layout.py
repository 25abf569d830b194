"""Layout of a picture: positions in pixels, which the painters only draw."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmark.graphs.graph import NeuronGraph, connected_parts, depths
from benchmark.graphs.shown import Box, Shown, shown

FONT = 14.0
SMALL = 11.0
# Width of a letter of a monospaced font, as a part of its size.
ADVANCE = 0.602
LINE = 19.0
PADDING = 8.0
LEAST_WIDTH = 28.0
COLUMN_GAP = 34.0
ROW_GAP = 22.0  # room for the number above a box
PART_GAP = 16.0
MARGIN = 14.0
SWATCH = 15.0


@dataclass(frozen=True)
class PlacedBox:
    """A box with its upper left corner and its size."""

    box: Box
    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Return the height at which lines come in and go out."""
        return self.top + self.height / 2


@dataclass(frozen=True)
class Line:
    """From the right side of a box to the left side of another, as points of a cubic curve."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Label:
    """Text beside the boxes, its left end on its base line."""

    text: str
    left: float
    base: float
    size: float
    bold: bool = False


@dataclass(frozen=True)
class Swatch:
    """A piece of the legend: a kind of box and how strong."""

    kind: str
    strength: float
    left: float
    top: float


@dataclass(frozen=True)
class Picture:
    """All that is drawn."""

    width: float
    height: float
    boxes: tuple[PlacedBox, ...]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...]
    swatches: tuple[Swatch, ...]


def lay_out(
    graph: NeuronGraph,
    title: str = "",
    *,
    legend: bool = True,
    spell: Callable[[str], str] = str,
) -> Picture:
    """Place the graph's boxes in columns, the activating tokens in the last.

    Args:
        graph: what to draw; of a large one only the strongest patterns have room.
        title: a line above.
        legend: whether to say below what colours and numbers mean.
        spell: makes a text one that the painter's font can show.
    """
    seen = shown(graph)
    labels: list[Label] = []
    top = MARGIN
    if title:
        top += FONT
        labels.append(Label(spell(title), MARGIN, top - 2, FONT, bold=True))
        top += 8
    if seen.boxes:
        top += SMALL  # the number above the first box
    boxes = _placed(seen, MARGIN, top, spell)
    bottom = max((box.top + box.height for box in boxes), default=top)
    labels += [_number(box) for box in boxes if box.box.begins is not None]
    for note in seen.notes:
        bottom += SMALL + 8
        labels.append(Label(note, MARGIN, bottom, SMALL))
    swatches: list[Swatch] = []
    if legend and seen.boxes:
        bottom = _legend(seen, bottom + 30, labels, swatches)
    right = max((box.left + box.width for box in boxes), default=MARGIN)
    right = max([right, *(label.left + text_width(label.text, label.size) for label in labels)])
    return Picture(
        round(right + MARGIN, 1),
        round(bottom + MARGIN, 1),
        tuple(boxes),
        tuple(_line(boxes[first], boxes[second]) for first, second in seen.edges),
        tuple(labels),
        tuple(swatches),
    )


def text_width(text: str, size: float) -> float:
    """Return pixels that a text takes in a monospaced font: two cells for a wide letter."""
    return sum(map(_cells, text)) * size * ADVANCE


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def _placed(seen: Shown, left: float, top: float, spell: Callable[[str], str]) -> list[PlacedBox]:
    """Return all boxes: columns by what follows them, rows so that no two boxes touch."""
    boxes = [
        Box(tuple(map(spell, box.lines)), box.kind, box.strength, box.begins, box.details)
        for box in seen.boxes
    ]
    column = depths(len(boxes), seen.edges)
    part = connected_parts(len(boxes), seen.edges)
    sizes = [_size(box) for box in boxes]
    widths: dict[tuple[int, int], float] = {}
    for i, (width, _) in enumerate(sizes):
        # The activating tokens of all parts stand in one column; others are as wide as they need.
        key = (part[i] if column[i] else -1, column[i])
        widths[key] = max(widths.get(key, 0.0), width)
    # From the right: how far the middle of each box is from the right edge.
    middles = [
        sum(widths[part[i], c] for c in range(1, column[i]))
        + widths.get((-1, 0), 0.0) * (column[i] > 0)
        + COLUMN_GAP * column[i]
        + widths[part[i] if column[i] else -1, column[i]] / 2
        for i in range(len(boxes))
    ]
    right = left + max((m + w / 2 for m, (w, _) in zip(middles, sizes, strict=True)), default=0.0)
    tops = _rows(seen, column, part, [height for _, height in sizes])
    return [
        PlacedBox(
            box,
            round(right - middles[i] - sizes[i][0] / 2, 1),
            round(top + tops[i], 1),
            sizes[i][0],
            sizes[i][1],
        )
        for i, box in enumerate(boxes)
    ]


def _size(box: Box) -> tuple[float, float]:
    widest = max(text_width(line, FONT) for line in box.lines)
    return round(max(LEAST_WIDTH, widest + 2 * PADDING), 1), LINE * len(box.lines) + 8


def _rows(
    seen: Shown, column: Sequence[int], part: Sequence[int], heights: Sequence[float]
) -> list[float]:
    """Return the upper edge of every box.

    Every box stands beside the boxes that come before it and are drawn first because of it: these
    form a tree, in which each has room of its own.
    """
    before: list[list[int]] = [[] for _ in heights]
    for first, second in seen.edges:
        before[second].append(first)
    ends = sorted(
        (i for i in range(len(heights)) if column[i] == 0),
        key=lambda i: (part[i], i),
    )
    taken: set[int] = set(ends)
    own: list[list[int]] = [[] for _ in heights]
    order: list[int] = []
    open_ = list(reversed(ends))
    while open_:
        box = open_.pop()
        order.append(box)
        for earlier in before[box]:
            # Only what stands in the very next column: else a longer way to it has the say.
            if earlier not in taken and column[earlier] == column[box] + 1:
                taken.add(earlier)
                own[box].append(earlier)
        open_ += reversed(own[box])
    room = [0.0] * len(heights)
    for box in reversed(order):
        inside = sum(room[each] for each in own[box]) + ROW_GAP * max(0, len(own[box]) - 1)
        room[box] = max(heights[box], inside)
    tops = [0.0] * len(heights)
    corner: dict[int, float] = {}
    cursor = 0.0
    for number, end in enumerate(ends):
        if number and part[end] != part[ends[number - 1]]:
            cursor += PART_GAP
        corner[end] = cursor
        cursor += room[end] + ROW_GAP
    for box in order:
        tops[box] = corner[box] + (room[box] - heights[box]) / 2
        inside = sum(room[each] for each in own[box]) + ROW_GAP * max(0, len(own[box]) - 1)
        at = corner[box] + (room[box] - inside) / 2
        for each in own[box]:
            corner[each] = at
            at += room[each] + ROW_GAP
    return tops


def _number(placed: PlacedBox) -> Label:
    assert placed.box.begins is not None
    low, high = (f"{value:.2f}" for value in placed.box.begins)
    return Label(high if low == high else f"{low}–{high}", placed.left, placed.top - 4, SMALL)


def _line(first: PlacedBox, second: PlacedBox) -> Line:
    start = (first.left + first.width, first.middle)
    end = (second.left, second.middle)
    bend = min((end[0] - start[0]) / 2, COLUMN_GAP)
    return Line((start, (start[0] + bend, start[1]), (end[0] - bend, end[1]), end))


def _legend(seen: Shown, top: float, labels: list[Label], swatches: list[Swatch]) -> float:
    """Draw the legend of what the graph holds, below it; return where it ends."""
    kinds = {box.kind for box in seen.boxes}
    rows: list[tuple[tuple[tuple[str, float], ...], str]] = []
    scale = (0.0, 0.5, 1.0)
    rows.append(
        (tuple(("activating", s) for s in scale), "activating token: its strongest pattern")
    )
    if kinds & {"context", "start"}:
        rows.append((tuple(("context", s) for s in scale), "context token: its importance, 0 to 1"))
    rows.append(((), "0.50  a pattern begins here; its activation, 1 the neuron's largest"))
    for pieces, text in rows:
        left = MARGIN
        for kind, strength in pieces:
            swatches.append(Swatch(kind, strength, left, top - SWATCH + 4))
            left += SWATCH + 2
        labels.append(Label(text, left + (6 if pieces else 0), top, SMALL))
        top += SWATCH + 5
    return top - SWATCH - 5
