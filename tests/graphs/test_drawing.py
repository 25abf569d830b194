"""Pictures: well-formed, nothing on top of anything else, everything said."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.graphs import (
    NeuronGraph,
    Node,
    Pattern,
    TokenPattern,
    build_graph,
    to_dot,
    to_png,
    to_svg,
)
from benchmark.graphs.colours import BESIDE, brightness, fill_of, text_on
from benchmark.graphs.layout import SMALL, lay_out, text_width
from benchmark.graphs.shown import COLUMNS, PATTERNS, cut
from tests.graphs.examples import pattern, pattern_lists, text_of

SVG = "{http://www.w3.org/2000/svg}"
TEXTS = [
    "·the",
    "↵····",
    "→→",
    "<0xE2>",
    "中文",
    "שלום",
    "x" * 60,
    "&<\"'>",
    "🙂",
    "$x_1$",
    "\x00\ud800",
]


def graph_of(*patterns):
    return build_graph(patterns, text_of, 0)


def written(svg):
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@st.composite
def any_graphs(draw):
    """Graphs of any shape, not only such as patterns are merged into."""
    texts = st.sampled_from(TEXTS)
    n = draw(st.integers(1, 7))
    nodes = [Node((i,), (draw(texts),), "context", 0.5, draw(st.floats(0, 1))) for i in range(n)]
    ends = draw(st.integers(1, 3))
    nodes += [Node((i, 9), (draw(texts), draw(texts)), "activating", 0.7) for i in range(ends)]
    ways = set()
    for _ in range(draw(st.integers(0, 8))):
        before = draw(st.sets(st.integers(0, n - 1), max_size=5))
        ways.add((*sorted(before), n + draw(st.integers(0, ends - 1))))
    return NeuronGraph(tuple(nodes), tuple(Pattern(way, draw(st.floats(0, 1))) for way in ways))


@settings(max_examples=60)
@given(st.one_of(any_graphs(), pattern_lists().map(lambda found: graph_of(*found))), st.text())
def test_a_picture_is_well_formed_and_nothing_overlaps(graph, title):
    svg = to_svg(graph, title)
    ElementTree.fromstring(svg)
    picture = lay_out(graph, title)
    boxes = picture.boxes
    for number, box in enumerate(boxes):
        assert box.left >= 0
        assert box.left + box.width <= picture.width
        assert box.top + box.height <= picture.height
        for other in boxes[:number]:
            apart = (
                box.left >= other.left + other.width
                or other.left >= box.left + box.width
                # The number above a box has room, too.
                or box.top >= other.top + other.height + SMALL
                or other.top >= box.top + box.height + SMALL
            )
            assert apart, (box, other)
    for label in picture.labels:
        assert label.left + text_width(label.text, label.size) <= picture.width
        assert label.base <= picture.height
    for line in picture.lines:
        assert line.points[0][0] < line.points[-1][0]  # from left to right


@given(any_graphs())
def test_dot_has_every_node_and_edge(graph):
    dot = to_dot(graph, 'a "title"')
    used = {node for each in graph.patterns for node in each.nodes}
    assert len(re.findall(r"^  n\d+ \[", dot, re.M)) == len(used)
    assert len(re.findall(r"^  n\d+ -> n\d+;$", dot, re.M)) == len(graph.edges)
    assert r'label="a \"title\""' in dot
    # Every quote that the language sees is closed on its line.
    for line in dot.splitlines():
        assert len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) % 2 == 0


def test_what_a_picture_says():
    graph = graph_of(pattern(0, 4, None, None, 5, activation=0.74), pattern(6, 7, activation=0.5))
    texts = written(to_svg(graph, "neuron 3.400"))
    for part in ("neuron 3.400", "[start]", "·the", "any ×2", "·List", "0.74", "·a", "0.50"):
        assert part in texts
    assert any("importance" in text for text in texts)
    assert not any("importance" in text for text in written(to_svg(graph, legend=False)))
    svg = to_svg(graph)
    assert "·List (token 5)\nactivating, activation 0.74" in svg
    assert "id=" not in svg
    assert "<style" not in svg


def test_of_many_patterns_the_strongest_are_drawn_and_the_rest_is_counted():
    # No two of which share a node.
    graph = graph_of(*(pattern(i, i + 100, activation=0.97**i) for i in range(50)))
    n = len(graph.patterns)
    assert n > PATTERNS
    svg = to_svg(graph)
    (note,) = [text for text in written(svg) if "weaker" in text]
    weaker = graph.strongest_first()[PATTERNS:]
    assert note == f"and {n - PATTERNS} weaker patterns, at most {weaker[0].activation:.2f}"
    assert f"n{len(graph.nodes) - 1} [" in to_dot(graph)


def test_of_a_long_pattern_the_end_is_drawn_and_the_rest_is_counted():
    graph = graph_of(pattern(*range(40, 75), None, None, 5))
    texts = written(to_svg(graph))
    boxes = lay_out(graph).boxes
    assert len(boxes) == COLUMNS
    assert f"… {35 + 2 + 1 - (COLUMNS - 1) - 1} more" in texts
    assert "·List" in texts
    assert "#40" not in texts
    assert "#40" in to_dot(graph)


def test_a_pointer_over_one_token_speaks_of_one():
    assert "any one token" in to_svg(graph_of(pattern(4, None, 5)))
    assert "any 2 tokens" in to_svg(graph_of(pattern(4, None, None, 5)))
    longer = to_svg(graph_of(pattern(*range(40, 40 + COLUMNS), 5)))
    assert "2 further tokens stand before" in longer
    boxes = lay_out(graph_of(pattern(*range(40, 39 + COLUMNS), 5))).boxes
    assert len(boxes) == COLUMNS


def test_long_tokens_of_spaces_can_be_told_apart():
    texts = {number: "↵" + "·" * number for number in (3, 25, 26, 33)}
    graph = build_graph(
        [TokenPattern((number,), (1.0,), 0.7) for number in texts], texts.__getitem__
    )
    drawn = written(to_svg(graph, legend=False))
    assert {"↵···", "↵·×25", "↵·×26", "↵·×33"} <= set(drawn)
    assert cut("ab" * 20) == "ab" * 6 + "…" + "b" + "ab" * 5


def test_many_alternatives_are_counted():
    graph = graph_of(*(pattern(number, 5) for number in range(20, 40)))
    assert "and 14 more" in written(to_svg(graph))
    assert "#39 (token 39)" in to_svg(graph)  # where a pointer rests


def contrast(first: str, second: str) -> float:
    """Return how well one colour is told from another, 1 to 21 (WCAG 2.1, contrast ratio)."""
    low, high = sorted((brightness(first), brightness(second)))
    return (high + 0.05) / (low + 0.05)


def test_nothing_is_said_to_be_nothing():
    graph = graph_of()
    assert written(to_svg(graph, "neuron 0.1")) == ["neuron 0.1", "no patterns"]
    assert to_png(graph).startswith(b"\x89PNG")
    assert "digraph" in to_dot(graph)


@pytest.mark.parametrize("kind", ["activating", "context", "start", "any", "more"])
def test_every_text_can_be_read_on_its_box_and_beside_it_on_any_page(kind):
    for step in range(101):
        fill = fill_of(kind, step / 100)
        assert contrast(fill, text_on(fill)) >= 4.5
    for page in ("#ffffff", "#0d1117"):
        assert contrast(page, BESIDE) >= 4


def test_more_activation_is_a_darker_red_and_more_importance_a_darker_blue():
    for kind in ("activating", "context"):
        shades = [contrast("#ffffff", fill_of(kind, step / 10)) for step in range(11)]
        assert shades == sorted(shades)
    assert int(fill_of("activating", 1)[1:3], 16) > int(fill_of("activating", 1)[5:], 16)
    assert int(fill_of("context", 1)[1:3], 16) < int(fill_of("context", 1)[5:], 16)


def test_a_png_shows_what_its_font_lacks_as_escapes():
    from matplotlib.image import imread

    from benchmark.graphs.png import _spelt

    assert _spelt("·the↵→…×–‹›") == "·the↵→…×–‹›"
    assert _spelt("中🙂") == "\\u4e2d\\U0001f642"
    nodes = tuple(Node((i,), (text,), "context") for i, text in enumerate(TEXTS))
    graph = NeuronGraph(
        (*nodes, Node((99,), ("$a$",), "activating", 1.0)),
        tuple(Pattern((i, len(nodes)), 0.5) for i in range(len(nodes))),
    )
    image = imread(io.BytesIO(to_png(graph, "neuron 0.1")))
    picture = lay_out(graph, "neuron 0.1", spell=_spelt)
    assert image.shape[1] == pytest.approx(2 * picture.width, abs=2)
    assert image.shape[0] == pytest.approx(2 * picture.height, abs=2)
    (box,) = (one for one in picture.boxes if one.box.kind == "activating")
    red, green = image[int(2 * box.top) + 8, int(2 * box.left) + 8, :2]
    assert red > 0.7
    assert green < 0.2
    assert image[0, 0].tolist()[:3] == [1, 1, 1]
