"""A graph in the language of Graphviz, whole, for other programs to lay out."""

from __future__ import annotations

from benchmark.graphs.colours import border_of, fill_of, text_on
from benchmark.graphs.graph import NeuronGraph
from benchmark.graphs.shown import whole


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
