"""The graph of a trie holds its paths, read forwards."""

from __future__ import annotations

import pytest
from hypothesis import given

from explainers.n2g import N2GExplanation
from explainers.n2g.describe import merged
from explainers.n2g.explanation import Counts
from explainers.n2g.trie import ANY, Path
from tests.explainers.n2g.test_explanation import TEXTS, explanations, path
from tests.graphs.examples import spelt


@given(explanations())
def test_every_path_is_in_the_graph_and_nothing_else(one):
    graph = one.graph()
    paths = {
        tuple(None if token == ANY else token for token in reversed(each.tokens))
        for each in one.paths
    }
    assert set(spelt(graph)) == paths


@given(explanations())
def test_saved_and_loaded_it_draws_the_same(one):
    assert N2GExplanation.from_dict(one.to_dict()).graph() == one.graph()


def test_it_says_what_describe_says():
    one = N2GExplanation(
        2.0,
        (
            path(0, 7, 3, activation=0.95),
            path(1, ANY, ANY, 3, 4, 5, activation=0.74),
            path(2, ANY, ANY, 3, 4, 5, activation=0.72),
            path(6, 7, activation=0.5),
        ),
        texts=TEXTS,
        counts=Counts(20, 9, 0),
    )
    graph = one.graph()
    lines = [f"{graph.text(each)}  {each.activation:.2f}" for each in graph.patterns]
    assert lines == one.describe().splitlines()[1:]
    assert [each.activation for each in graph.patterns] == pytest.approx(
        [line.activation for line in merged(one.paths)]
    )


def test_importances_are_of_the_tokens_they_stand_beside():
    one = N2GExplanation(2.0, (Path((5, ANY, 1), (1.0, 0.0, 0.8), 1.0, 2),), texts=TEXTS)
    nodes = one.graph().nodes
    assert [(node.texts, node.role, node.importance) for node in nodes] == [
        (("·was",), "context", pytest.approx(0.8)),
        ((), "context", 0.0),
        (("·List",), "activating", 1.0),
    ]


def test_an_activation_outside_the_scale_is_drawn_at_its_end():
    one = N2GExplanation(2.0, (Path((5,), (1.0,), 1.5, 1), Path((6,), (1.0,), -0.5, 1)))
    assert [each.activation for each in one.graph().patterns] == [1.0, 0.0]
