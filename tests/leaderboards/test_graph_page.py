"""The measured parts of docs/graphs.md: which neurons are drawn, and what is searched for."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.graphs import NeuronGraph, TokenPattern, build_graph
from benchmark.results import Run
from leaderboards import graph_page
from leaderboards.graph_page import Drawn, blocks, common_word, graphs_of, word_with_context
from tests.command import Command

PAGE = Path(__file__).parents[2] / "docs" / "graphs.md"
TEXTS = {1: "·for", 2: "·in", 3: "(", 4: "self", 5: "·def"}


@pytest.fixture(scope="module")
def run(small: Command) -> Run:
    return small.finished("explainer=n2g")


def graph(*patterns: tuple[int, ...]) -> NeuronGraph:
    """A graph of patterns of token ids."""
    return build_graph(
        [TokenPattern(tokens, (1.0,) * len(tokens), 0.9) for tokens in patterns],
        text_of=TEXTS.__getitem__,
    )


def test_every_block_has_its_marks_in_the_page(run: Run, tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, content in blocks(run, tmp_path).items():
        assert page.count(f"<!-- {name} -->") == page.count(f"<!-- end of {name} -->") == 1
        assert str(run.folder) not in content


def test_a_picture_is_of_the_best_neuron_whose_graph_fits_and_says_how_good_it_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = [
        Drawn("0.1", graph((3,)), 0.9, 1.0),
        Drawn("0.2", graph((1, 2), (3, 5, 2)), 0.8, 0.0),
        Drawn("0.3", graph((1, 2), (3, 5, 2)), 0.1, None),
    ]
    monkeypatch.setattr(graph_page, "graphs_of", lambda run: drawn)
    (tmp_path / "9.9.svg").write_text("old")
    found = blocks(run, tmp_path)["pictures"]
    assert "neuron 0.2 (r 0.800, F1 0.000 on `uniform`)" in found
    assert "unconnected parts**: no neuron of the run has such a graph" in found
    assert [path.name for path in tmp_path.iterdir()] == ["0.2.svg"]


def test_graphs_are_in_the_order_of_their_neurons_f1(run: Run) -> None:
    found = [-1.0 if one.f1 is None else one.f1 for one in graphs_of(run)]
    assert found == sorted(found, reverse=True)
    assert len(found) > 1


def test_what_is_searched_for_stands_in_a_graph() -> None:
    drawn = [
        Drawn("0.1", graph((3,), (3, 4)), 0.9, 1.0),
        Drawn("0.2", graph((5, 3, 4), (2,)), 0.8, 0.5),
    ]
    assert common_word(drawn) == "self"
    assert word_with_context(drawn) == ("self", " def")
    assert common_word(drawn[:0]) is None
    assert word_with_context(drawn[:1]) is None
