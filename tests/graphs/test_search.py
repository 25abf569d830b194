"""Search: a query finds what a look at every token of every pattern finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.graphs import build_graph
from benchmark.graphs.collect import SavedGraph
from benchmark.graphs.search import COMBINE, SEARCH_ROLES, Matching, Query, Term, search
from benchmark.token_text import visible
from tests.graphs.examples import TEXTS, pattern, pattern_lists, spelt, text_of


def saved(*graphs):
    return [SavedGraph(0, number, graph) for number, graph in enumerate(graphs)]


def graph_of(*patterns):
    return build_graph(patterns, text_of, 0)


def slowly(graph, query):
    """Whether a graph meets the terms of a query, from its patterns spelt out."""

    def holds(tokens, term):
        places = {"any": tokens, "activating": tokens[-1:], "context": tokens[:-1]}[term.role]
        texts = [
            "[start]" if token == 0 else text_of(token) for token in places if token is not None
        ]
        return any(text in (term.text, f"·{term.text}") for text in texts)

    ways = list(spelt(graph))
    if query.combine == "pattern":
        return any(all(holds(way, term) for term in query.terms) for way in ways)
    held = [any(holds(way, term) for way in ways) for term in query.terms]
    return any(held) if query.combine == "or" else all(held)


TERMS = st.builds(
    Term,
    st.sampled_from([*TEXTS.values(), "the", "[start]", "none"]),
    st.sampled_from(SEARCH_ROLES),
)


@given(
    st.lists(pattern_lists(most=5), max_size=5),
    st.lists(TERMS, min_size=1, max_size=3),
    st.sampled_from(COMBINE),
)
def test_it_finds_what_a_look_at_every_token_finds(lists, terms, combine):
    query = Query(terms, combine)
    graphs = saved(*(graph_of(*patterns) for patterns in lists))
    found = search(graphs, query)
    wanted = {each.neuron for each in graphs if slowly(each.graph, query)}
    # A node with alternatives meets two terms by two of its tokens, though no one text does.
    kept = {hit.saved.neuron for hit in found.hits}
    assert kept == wanted if combine != "pattern" else kept >= wanted
    assert found.n_neurons == len(graphs)
    strengths = [hit.activation for hit in found.hits]
    assert strengths == sorted(strengths, reverse=True)


FIRST = graph_of(pattern(4, 5, activation=0.9), pattern(1, 7, activation=0.4))
SECOND = graph_of(pattern(5, 4, activation=0.8), pattern(0, 4, 5, activation=0.3))


def found(*terms, graphs=(FIRST, SECOND), **settings):
    result = search(saved(*graphs), Query(terms, **settings))
    return [(hit.saved.neuron, hit.text, hit.activation) for hit in result.hits]


def test_roles():
    assert found(Term("List", "activating")) == [
        (0, "·the ‹·List›", 0.9),
        (1, "[start] ·the ‹·List›", 0.3),
    ]
    assert found(Term("List", "context")) == [(1, "·List ‹·the›", 0.8)]
    assert [neuron for neuron, *_ in found(Term("List"))] == [0, 1]
    assert found(Term("[start]", "context")) == [(1, "[start] ·the ‹·List›", 0.3)]
    assert found(Term("was", "activating")) == []


def test_several_terms():
    both = (Term("List", "activating"), Term("was", "context"))
    assert found(*both) == [(0, "·the ‹·List›", 0.9)]
    assert found(*both, combine="pattern") == []
    assert len(found(*both, combine="or")) == 2
    one = (Term("List", "activating"), Term("the", "context"))
    assert len(found(*one, combine="pattern")) == 2


def test_only_strong_patterns_count():
    result = search(saved(FIRST, SECOND, None), Query((Term("List", "activating"),), above=0.85))
    assert [hit.saved.neuron for hit in result.hits] == [0]
    assert (result.n_neurons, result.n_failed, result.n_empty) == (3, 1, 1)


def test_terms_that_no_graph_holds_are_named():
    terms = (Term("the"), Term("on"), Term("List", "context"), Term("the List"))
    result = search(saved(FIRST, None), Query(terms, combine="or"))
    assert result.missing == terms[1:]
    assert search(saved(FIRST, SECOND), Query(terms[:1])).missing == ()
    # A pattern that is too weak to count holds nothing.
    assert search(saved(FIRST), Query((Term("was"),), above=0.5)).missing == (Term("was"),)


def test_lists_of_repeats_and_parts():
    repeat = graph_of(pattern(5, None, 5, activation=0.6), pattern(3, activation=0.9))
    result = search(saved(FIRST, repeat), Query(repeats=True))
    ((hit),) = result.hits
    assert (hit.saved.neuron, hit.repeated, hit.text) == (1, ("·List",), "·List … ‹·List›")
    assert hit.activation == pytest.approx(0.6)
    result = search(saved(FIRST, repeat, SECOND), Query(parts=2))
    assert [hit.saved.neuron for hit in result.hits] == [0, 1, 2]
    assert result.hits[0].parts == ("·the ‹·List›", "·was ‹·Set›")
    assert [hit.saved.neuron for hit in search(saved(FIRST), Query(parts=3)).hits] == []
    both = Query((Term("on"),), repeats=True, parts=2)
    assert [hit.saved.neuron for hit in search(saved(FIRST, repeat), both).hits] == [1]


def test_among_many_alternatives_the_one_looked_for_is_shown():
    graph = graph_of(*(pattern(number) for number in range(20, 40)))
    assert found(Term("#38"), graphs=[graph]) == [(0, "‹[#38 | #20 | #21 | #22 | 16 more]›", 1.0)]


@pytest.mark.parametrize(
    ("typed", "text", "how", "wanted"),
    [
        ("List", "·List", {}, True),
        ("\n" + " " * 48, "↵·×48", {}, True),
        ("\n" + " " * 48, "↵·×47", {}, False),
        ("List", "List", {}, True),
        ("List", "·List", {"exact": True}, False),
        ("List", "List", {"exact": True}, True),
        (" List", "·List", {"exact": True}, True),
        (" List", "List", {}, False),
        ("·List", "·List", {}, True),
        ("list", "·List", {}, False),
        ("list", "·List", {"ignore_case": True}, True),
        ("LIST", "list", {"ignore_case": True}, True),
        ("is", "·List", {}, False),
        ("is", "·List", {"contains": True}, True),
        ("\n", "↵", {}, True),
        ("\\n", "↵", {}, True),
        ("\\n", "\\n", {}, True),  # two letters, as in source code
        ("↵", "↵", {}, True),
        ("\n    ", "↵····", {}, True),
        ("\t", "→", {}, True),
        (" ", "·", {}, True),
        (" ", "", {}, False),
    ],
)
def test_how_tokens_are_compared(typed, text, how, wanted):
    assert Matching(**how).test(typed)(text) is wanted


@given(st.text(" \n\t\rab", min_size=1, max_size=10))
def test_a_token_is_found_as_it_is(text):
    assert Matching(exact=True).test(text)(visible(text))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "nothing to search for"),
        ({"terms": (Term("a", "centre"),)}, "role 'centre' is not known"),
        ({"terms": (Term("a"),), "combine": "xor"}, "way to combine 'xor' is not known"),
    ],
)
def test_what_is_no_query_is_refused(settings, message):
    with pytest.raises(BenchmarkError, match=message):
        Query(**settings)
    with pytest.raises(BenchmarkError, match="cannot be empty"):
        Matching().test("")
