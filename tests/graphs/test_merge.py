"""The small graph holds exactly the patterns it was made from."""

from __future__ import annotations

import pytest
from hypothesis import given

from benchmark.graphs import (
    CONTEXT,
    START,
    NeuronGraph,
    Node,
    Pattern,
    TokenPattern,
    build_graph,
    merge,
)
from tests.graphs.examples import pattern, pattern_lists, spelt, text_of


def build(*patterns):
    return build_graph(patterns, text_of, 0)


@given(pattern_lists())
def test_no_pattern_is_added_or_lost_and_none_is_worth_much_else(patterns):
    graph = build(*patterns)
    found = spelt(graph)
    assert set(found) == {each.tokens for each in patterns}
    for each in patterns:
        # Alternatives share the mean of at most as many places as a pattern has.
        assert abs(found[each.tokens] - each.activation) <= merge.ALIKE * len(each.tokens) + 1e-9
    assert graph.activation <= max((each.activation for each in patterns), default=0) + 1e-9
    assert sum(each.count for each in graph.patterns) == sum(each.count for each in patterns)


@given(pattern_lists())
def test_the_order_of_the_patterns_does_not_matter(patterns):
    graph, other = build(*patterns), build(*reversed(patterns))
    first, second = spelt(graph), spelt(other)
    assert first == pytest.approx(second)
    assert [len(part) for part in graph.parts()] == [len(part) for part in other.parts()]


@given(pattern_lists())
def test_a_node_tells_of_the_strongest_pattern_through_it(patterns):
    graph = build(*patterns)
    for number, node in enumerate(graph.nodes):
        through = [each.activation for each in graph.patterns if number in each.nodes]
        assert node.activation == max(through)


@given(pattern_lists(most=5))
def test_the_parts_are_those_of_a_slow_search(patterns):
    graph = build(*patterns)
    near = {number: {number} for number in range(len(graph.nodes))}
    for _ in graph.nodes:
        for first, second in graph.edges:
            near[first] |= near[second]
            near[second] |= near[first]
    parts = {frozenset(each) for each in near.values()}
    while True:  # a set that overlaps another is a part of one
        joined = {frozenset().union(*(b for b in parts if a & b)) for a in parts}
        if joined == parts:
            break
        parts = joined
    found = {frozenset(node for each in part for node in each.nodes) for part in graph.parts()}
    assert found == parts
    strongest = [part[0].activation for part in graph.parts()]
    assert strongest == sorted(strongest, reverse=True)


def test_alternatives_share_a_node_as_describe_writes_them():
    graph = build(
        pattern(1, None, None, 3, 4, 5, activation=0.74),
        pattern(2, None, None, 3, 4, 5, activation=0.74),
    )
    (only,) = graph.patterns
    assert graph.text(only) == "[·was | ·were] … ·on ·the ‹·List›"
    assert only.activation == pytest.approx(0.74)
    assert only.count == 2


def test_activations_far_apart_are_two_nodes_of_one_picture():
    graph = build(pattern(1, 5, activation=1.0), pattern(2, 5, activation=0.6))
    assert [graph.text(each) for each in graph.patterns] == ["·was ‹·List›", "·were ‹·List›"]
    assert len(graph.nodes) == 3
    assert len(graph.parts()) == 1


def test_what_stands_before_two_activating_tokens_is_drawn_once():
    graph = build(pattern(3, 4, 5, activation=0.9), pattern(3, 4, 7, activation=0.3))
    assert len(graph.nodes) == 4
    assert len(graph.parts()) == 1
    assert [each.activation for each in graph.patterns] == [0.9, 0.3]
    apart = build(pattern(3, 4, 5, activation=0.9), pattern(1, 4, 7, activation=0.3))
    assert len(apart.nodes) == 6
    assert len(apart.parts()) == 2


def test_gaps_of_several_lengths_are_one_node():
    graph = build(pattern(1, None, 5), pattern(1, None, None, 5, activation=0.95))
    assert graph.nodes[graph.patterns[0].nodes[1]] == Node(
        (), (), CONTEXT, pytest.approx(0.975), lengths=(1, 2)
    )


def test_the_start_of_a_context_is_a_role():
    graph = build(pattern(0, 5))
    assert [(node.role, node.texts) for node in graph.nodes] == [
        ("start", ("[start]",)),
        ("activating", ("·List",)),
    ]
    inside = build(pattern(1, 0, 5))  # between two documents
    assert START not in [node.role for node in inside.nodes]


def test_repeated_tokens():
    graph = build(pattern(5, None, 5), pattern(1, 5, activation=0.5), pattern(7, 3, activation=0.2))
    ((token, found),) = graph.repeats()
    assert (token, graph.text(found)) == (5, "·List … ‹·List›")
    assert build(pattern(5, 7), pattern(7, 5)).repeats() == ()  # not in one pattern


def test_a_context_as_long_as_a_model_reads_is_merged_all_the_same():
    long = tuple(range(1, 1500))
    graph = build(pattern(*long, 5000), pattern(*long, 6000, activation=0.98))
    (only,) = graph.patterns
    assert len(only.nodes) == 1500
    assert graph.nodes[only.nodes[-1]].tokens == (5000, 6000)


@pytest.mark.parametrize("tokens", [(), (None, 5), (5, None), (None,)])
def test_what_is_no_pattern_is_refused(tokens):
    with pytest.raises(ValueError, match="begins and ends with a token"):
        build(pattern(*tokens))
    with pytest.raises(ValueError, match="is damaged"):
        build(TokenPattern((1, 2), (0.5,), 1.0))


A = Node((1,), ("a",), "activating")
C = Node((2,), ("c",), "context")


@pytest.mark.parametrize(
    ("nodes", "ways", "message"),
    [
        ((A, C), [(1, 1, 0)], "circle"),
        ((A, C, C), [(1, 2, 0), (2, 1, 0)], "circle"),
        ((A, C), [(0, 1)], "only activating node"),
        ((A, A), [(0, 1)], "only activating node"),
        ((A,), [()], "cannot be"),
        ((A,), [(3,)], "cannot be"),
        ((A, Node((0,), ("s",), "start")), [(1, 1, 0)], "only activating node"),
        ((Node((1,), ("a",), "other"),), [], "role"),
        ((Node((1,), (), "context"),), [], "1 tokens and 0 texts"),
        ((Node((), (), "activating"),), [], "any token"),
        ((Node((), (), "context", lengths=(0,)),), [], "any token"),
        ((Node((1,), ("a",), "context", importance=1.5),), [], "within 0 and 1"),
        ((Node((1,), ("a",), "context", activation=float("nan")),), [], "within 0 and 1"),
    ],
)
def test_what_is_no_graph_is_refused(nodes, ways, message):
    with pytest.raises(ValueError, match=message):
        NeuronGraph(nodes, tuple(Pattern(way, 0.5) for way in ways))
    with pytest.raises(ValueError, match="within 0 and 1"):
        NeuronGraph((A,), (Pattern((0,), 1.5),))
