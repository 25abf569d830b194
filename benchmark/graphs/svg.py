"""A graph as text: SVG, which needs no font and no library, and the language of Graphviz."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from benchmark.graphs.colours import BESIDE, LINES, border_of, fill_of, text_on
from benchmark.graphs.graph import NeuronGraph
from benchmark.graphs.layout import (
    FONT,
    LINE,
    SWATCH,
    Label,
    Picture,
    PlacedBox,
    lay_out,
    text_width,
)
from benchmark.graphs.shown import whole

FAMILY = "DejaVu Sans Mono, Menlo, Consolas, Liberation Mono, monospace"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(graph: NeuronGraph, title: str = "", *, legend: bool = True) -> str:
    """Return the picture of a graph as one `<svg>` element, to be saved or put into a page.

    It has no background, no style sheet and no ids, so that many can stand in one page, light or
    dark. A pointer over a box shows its token ids.

    Args:
        graph: what to draw.
        title: a line above, such as the neuron's name.
        legend: whether to say below what colours and numbers mean.
    """
    picture = lay_out(graph, title, legend=legend, spell=_spelt)
    width, height = _number(picture.width), _number(picture.height)
    name = quoteattr(_spelt(title or "neuron graph"))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label={name} '
        f'font-family="{FAMILY}">'
    ]
    parts += _lines(picture)
    for box in picture.boxes:
        parts += _box(box)
    parts += [
        f'<rect x="{_number(one.left)}" y="{_number(one.top)}" width="{_number(SWATCH)}" '
        f'height="{_number(SWATCH)}" rx="3" fill="{fill_of(one.kind, one.strength)}" '
        f'stroke="{border_of(one.kind)}"/>'
        for one in picture.swatches
    ]
    parts += [_label(label) for label in picture.labels]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lines(picture: Picture) -> list[str]:
    found = []
    for line in picture.lines:
        start, first, second, end = line.points
        curve = " ".join(f"{_number(x)} {_number(y)}" for x, y in (first, second, end))
        found.append(
            f'<path d="M{_number(start[0])} {_number(start[1])}C{curve}" fill="none" '
            f'stroke="{LINES}" stroke-width="1.4"/>'
        )
        x, y = end
        corners = f"{_number(x)} {_number(y)} {_number(x - 7)} {_number(y - 3.5)}"
        found.append(f'<path d="M{corners} {_number(x - 7)} {_number(y + 3.5)}Z" fill="{LINES}"/>')
    return found


def _box(placed: PlacedBox) -> list[str]:
    box = placed.box
    fill = fill_of(box.kind, box.strength)
    dashes = ' stroke-dasharray="4 3"' if box.kind in ("any", "more", "start") else ""
    slanted = ' font-style="italic"' if box.kind in ("any", "more") else ""
    parts = [
        f"<g><title>{_text(box.details)}</title>",
        f'<rect x="{_number(placed.left)}" y="{_number(placed.top)}" '
        f'width="{_number(placed.width)}" height="{_number(placed.height)}" rx="6" '
        f'fill="{fill}" stroke="{border_of(box.kind)}" stroke-width="1.2"{dashes}/>',
    ]
    for number, line in enumerate(box.lines):
        base = placed.top + 4 + LINE * number + 14
        width = _number(text_width(line, FONT))
        parts.append(
            f'<text x="{_number(placed.left + placed.width / 2)}" y="{_number(base)}" '
            f'font-size="{_number(FONT)}" fill="{text_on(fill)}" text-anchor="middle" '
            f'textLength="{width}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"'
            f"{slanted}>{_text(line)}</text>"
        )
    parts.append("</g>")
    return parts


def _label(label: Label) -> str:
    weight = ' font-weight="bold"' if label.bold else ""
    return (
        f'<text x="{_number(label.left)}" y="{_number(label.base)}" '
        f'font-size="{_number(label.size)}" fill="{BESIDE}"{weight} '
        f'textLength="{_number(text_width(label.text, label.size))}" '
        f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{_text(label.text)}</text>'
    )


def _text(text: str) -> str:
    return escape(_spelt(text))


def _spelt(text: str) -> str:
    """Spell out what XML cannot hold."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def to_dot(graph: NeuronGraph, title: str = "") -> str:
    """Return all nodes and edges as a `digraph` that runs from left to right.

    Args:
        graph: what to write.
        title: a line above.
    """
    lines = [
        "digraph neuron {",
        "  rankdir=LR;",
        f"  label={_quoted(title)}; labelloc=t; labeljust=l;",
        '  bgcolor="transparent"; fontname="DejaVu Sans Mono";',
        '  node [shape=box, style="filled,rounded", fontname="DejaVu Sans Mono"];',
        f'  edge [color="{border_of("any")}"];',
    ]
    seen = whole(graph)
    for number, box in enumerate(seen.boxes):
        fill = fill_of(box.kind, box.strength)
        style = "filled,rounded,dashed" if box.kind in ("any", "start") else "filled,rounded"
        written = list(box.lines)
        if box.begins is not None:
            written.append(" – ".join(dict.fromkeys(f"{value:.2f}" for value in box.begins)))
        tooltip = _quoted(*box.details.splitlines())
        lines.append(
            f"  n{number} [label={_quoted(*written)}, tooltip={tooltip}, "
            f'style="{style}", fillcolor="{fill}", color="{border_of(box.kind)}", '
            f'fontcolor="{text_on(fill)}"];'
        )
    lines += [f"  n{first} -> n{second};" for first, second in seen.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(*lines: str) -> str:
    r"""Return a string of Graphviz, line under line; a backslash in a text stands for itself."""
    shown = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines]
    return '"' + "\\n".join(shown) + '"'
