"""A graph as PNG, painted by matplotlib with the fonts that it brings."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

from benchmark.graphs.colours import BESIDE, LINES, border_of, fill_of, text_on
from benchmark.graphs.graph import NeuronGraph
from benchmark.graphs.layout import FONT, LINE, SWATCH, Label, Picture, PlacedBox, lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAMILY = "DejaVu Sans Mono"
DOTS_PER_PIXEL = 2
# An image that a program still opens.
MOST_DOTS = 20_000
_POINTS_PER_INCH = 72
_PIXELS_PER_INCH = 100


def to_png(graph: NeuronGraph, title: str = "", *, legend: bool = True) -> bytes:
    r"""Return the picture of a graph as a PNG file on white, two dots for a pixel of the SVG.

    Letters that matplotlib's own font lacks are spelt as `\u4e2d`, so that no two tokens look
    the same.

    Args:
        graph: what to draw.
        title: a line above, such as the neuron's name.
        legend: whether to say below what colours and numbers mean.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = lay_out(graph, title, legend=legend, spell=_spelt)
    figure = Figure(
        figsize=(picture.width / _PIXELS_PER_INCH, picture.height / _PIXELS_PER_INCH),
        facecolor="white",
    )
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    _paint(axes, picture)
    file = io.BytesIO()
    dots = min(DOTS_PER_PIXEL, MOST_DOTS / max(picture.width, picture.height))
    figure.savefig(file, format="png", dpi=_PIXELS_PER_INCH * dots)
    return file.getvalue()


def _paint(axes: Axes, picture: Picture) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    for line in picture.lines:
        codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        axes.add_patch(
            PathPatch(Path(line.points, codes), fill=False, edgecolor=LINES, linewidth=_points(1.4))
        )
        x, y = line.points[-1]
        head = [(x, y), (x - 7, y - 3.5), (x - 7, y + 3.5)]
        axes.add_patch(Polygon(head, closed=True, facecolor=LINES, linewidth=0))
    for box in picture.boxes:
        _paint_box(axes, box)
    for one in picture.swatches:
        fill = fill_of(one.kind, one.strength)
        _rectangle(axes, one.left, one.top, SWATCH, SWATCH, fill, border_of(one.kind), "-", 3)
    for label in picture.labels:
        _paint_label(axes, label)


def _paint_box(axes: Axes, placed: PlacedBox) -> None:
    box = placed.box
    fill = fill_of(box.kind, box.strength)
    style = "--" if box.kind in ("any", "more", "start") else "-"
    edge = border_of(box.kind)
    _rectangle(axes, placed.left, placed.top, placed.width, placed.height, fill, edge, style, 6)
    for number, line in enumerate(box.lines):
        _write(
            axes,
            placed.left + placed.width / 2,
            placed.top + 4 + LINE * number + 14,
            line,
            FONT,
            color=text_on(fill),
            horizontalalignment="center",
            fontstyle="italic" if box.kind in ("any", "more") else "normal",
        )


def _paint_label(axes: Axes, label: Label) -> None:
    weight = "bold" if label.bold else "normal"
    _write(axes, label.left, label.base, label.text, label.size, color=BESIDE, fontweight=weight)


def _write(axes: Axes, x: float, y: float, text: str, size: float, **how: Any) -> None:
    axes.text(
        x,
        y,
        text,
        fontsize=_points(size),
        fontfamily=FAMILY,
        verticalalignment="baseline",
        parse_math=False,
        **how,
    )


def _rectangle(
    axes: Axes,
    left: float,
    top: float,
    width: float,
    height: float,
    fill: str,
    edge: str,
    style: str,
    radius: float,
) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (left, top),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            facecolor=fill,
            edgecolor=edge,
            linewidth=_points(1.2),
            linestyle=style,
        )
    )


def _points(pixels: float) -> float:
    return pixels * _POINTS_PER_INCH / _PIXELS_PER_INCH


def _spelt(text: str) -> str:
    """Spell out the letters that the font lacks."""
    known = _letters()
    return "".join(
        letter if ord(letter) in known else letter.encode("unicode_escape").decode()
        for letter in text
    )


@functools.cache
def _letters() -> frozenset[int]:
    """Return what the font can show, in every style that is used."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    styles = (
        FontProperties(family=FAMILY),
        FontProperties(family=FAMILY, weight="bold"),
        FontProperties(family=FAMILY, style="italic"),
    )
    return frozenset.intersection(
        *(frozenset(get_font(findfont(style)).get_charmap()) for style in styles)
    )
