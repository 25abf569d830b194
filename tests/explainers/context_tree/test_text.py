"""The complete text of a tree: read back, within its budget, and what a person sees."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.results import explanation_bytes
from benchmark.vocabulary import Vocabulary
from explainers.context_tree import ContextTree, ContextTreeExplanation
from explainers.context_tree.budget import nodes_within
from explainers.context_tree.text import TextWriter
from explainers.context_tree.tree import TreeLevel
from tests.explainers.context_tree.slow import runs_of
from tests.explainers.context_tree.test_explanation import big_evidence, squared_error
from tests.explainers.planted import PlantedSubject, make_evidence
from tests.graphs.test_notation import vocabularies

NUMBERS = st.floats(-(2.0**90), 2.0**90, width=32).map(lambda x: float(np.float32(f"{x:.3e}")))


@st.composite
def trees(draw, vocabulary):
    """Any tree, whose nodes often say what others say; ids may lie beyond the vocabulary."""
    levels, above = [], 1
    for _ in range(draw(st.integers(0, 4))):
        pair = st.tuples(st.integers(0, above - 1), st.integers(0, vocabulary.size + 2))
        pairs = sorted(draw(st.sets(pair, min_size=1, max_size=9)))
        value = st.one_of(st.integers(-2, 2), st.integers(-(10**6), 10**6))
        values = draw(st.lists(value, min_size=len(pairs), max_size=len(pairs)))
        levels.append(TreeLevel(*np.array(pairs).T, np.array(values)))
        above = len(pairs)
    return draw(NUMBERS), draw(NUMBERS), levels


@given(st.data())
def test_any_tree_is_read_back(data):
    vocabulary = data.draw(vocabularies())
    root, step, levels = data.draw(trees(vocabulary))
    text = TextWriter(vocabulary).write(root, step, levels)
    one = ContextTreeExplanation(root, step, levels, text=text)
    again = ContextTreeExplanation.from_text(one.describe(), vocabulary)
    token = st.integers(0, vocabulary.size + 3)
    rows = data.draw(st.lists(st.lists(token, min_size=7, max_size=7), min_size=1, max_size=4))
    for ngram in runs_of(one):  # text in which every n-gram stands
        rows.append(([0] * 7 + list(ngram[::-1]))[-7:])
    tokens = torch.tensor(rows)
    assert torch.equal(again.simulate(tokens), one.simulate(tokens))
    assert TextWriter(vocabulary).write(again.root, again.step, again.levels) == text
    loaded = ContextTreeExplanation.from_dict(json.loads(json.dumps(one.to_dict())))
    assert loaded.text_is_complete
    assert loaded.describe() == text


def test_a_tree_reads_as_a_person_would_write_it():
    vocabulary = Vocabulary.of(PlantedSubject())  # " the", "cat", "\n", " sat", "\t", "é", x, y, z
    first = TreeLevel(np.zeros(5, int), np.array([1, 2, 3, 7, 8]), np.array([4, 30, 4, 0, -2]))
    second = TreeLevel(
        np.array([1, 1, 1, 1, 3]), np.array([0, 1, 4, 5, 9]), np.array([7, 50, 50, 30, 6])
    )
    third = TreeLevel(np.array([1, 3, 4]), np.array([2, 6, 3]), np.array([55, 7, 6]))
    text = TextWriter(vocabulary).write(0.025, 0.125, [first, second, third])
    assert text.splitlines() == [
        "0.025 + 0.125 × number",
        "‹cat› 30  cat·the 55  [·the|·sat] 50  [start]|é→ 7",
        "‹x› 0  z 6",
        "‹·the|↵› 4",
        "‹y› -2",
    ]
    one = ContextTreeExplanation.from_text(text, vocabulary)
    simulated = one.simulate(torch.tensor([[0, 2, 1, 2, 5, 2, 9, 7, 6, 5, 2, 8, 3]]))[0]
    numbers = [0, 7, 4, 55, 0, 30, 0, 6, 0, 0, 7, -2, 4]
    assert simulated.tolist() == pytest.approx([0.025 + 0.125 * number for number in numbers])


def test_the_budget_of_characters_is_kept_and_more_say_more():
    subject, evidence = PlantedSubject(), big_evidence()
    errors = []
    for most in (100, 200, 400, 1000):
        explanations = ContextTree(max_characters=most).explain(evidence, subject)
        lengths = [len(one.describe()) for one in explanations]
        assert max(lengths) <= most
        assert min(lengths) > 0.85 * most
        assert all(one.text_is_complete for one in explanations)
        errors.append(squared_error(evidence, explanations))
    assert all((more <= less + 1e-3).all() for less, more in pairwise(errors))
    assert (errors[-1] < 0.7 * errors[0]).all()


def test_one_n_gram_more_makes_the_text_too_long(monkeypatch):
    measured = []

    def watched(size_of, most, budget, *rest):
        n = nodes_within(size_of, most, budget, *rest)
        measured.append((size_of(n), size_of(n + 1)))
        return n

    monkeypatch.setattr("explainers.context_tree.explainer.nodes_within", watched)
    explainer = ContextTree(max_characters=300, max_bytes=None)
    found = explainer.explain(big_evidence(), PlantedSubject())
    assert [len(one.describe()) for one in found] == [size for size, _ in measured]
    assert all(size <= 300 < larger for size, larger in measured)


def test_it_is_explained_alone_as_in_its_block():
    subject, evidence = PlantedSubject(), big_evidence()
    explainer = ContextTree(max_characters=400)
    for row, one in enumerate(explainer.explain(evidence, subject)):
        (alone,) = explainer.explain(evidence.select(torch.tensor([row])), subject)
        assert alone.to_dict() == one.to_dict()


def test_both_budgets_are_kept():
    explainer = ContextTree(max_characters=1000, max_bytes=300)
    found = explainer.explain(big_evidence(), PlantedSubject())
    sizes = [explanation_bytes(one.to_dict()) for one in found]
    assert 0.8 * 300 < min(sizes) <= max(sizes) <= 300
    assert all(len(one.describe()) < 1000 and one.text_is_complete for one in found)


def test_without_a_budget_of_characters_the_text_is_not_complete():
    for options in ({}, {"max_bytes": 400}):
        for one in ContextTree(**options).explain(
            make_evidence(PlantedSubject()), PlantedSubject()
        ):
            assert not one.text_is_complete
            assert "the longest one that ends at a token decides" in one.describe()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_characters": 63}, "max_characters of context_tree must be null or a whole number"),
        ({"max_characters": 1e3}, "max_characters of context_tree"),
        ({"max_characters": True}, "max_characters of context_tree"),
    ],
)
def test_budgets_that_cannot_be_are_refused(options, message):
    with pytest.raises(BenchmarkError, match=message):
        ContextTree(**options)


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["0.1 + 0.2"], 1),
        (["0.1 + nan × number"], 1),
        (["0.1 + 0.2 × number", ""], 2),
        (["0.1 + 0.2 × number", "‹cat›"], 2),
        (["0.1 + 0.2 × number", "‹cat› 1.5"], 2),
        (["0.1 + 0.2 × number", "é‹cat› 1"], 2),
        (["0.1 + 0.2 × number", "‹…› 1"], 2),
        (["0.1 + 0.2 × number", "‹cat› 1", "‹x› 1  é… 2"], 3),
        (["0.1 + 0.2 × number", "‹cat› 1", "‹x› 1  é| 2"], 3),
        (["0.1 + 0.2 × number", "‹cat› 1", "‹x|cat› 1"], 3),
        (["0.1 + 0.2 × number", "‹cat› 1  é 2  [é|x] 3"], 2),
        (["0.1 + 0.2 × number", "‹cat› 1", "‹dog› 1"], 3),
    ],
)
def test_a_line_that_cannot_be_read_is_named(lines, number):
    vocabulary = Vocabulary.of(PlantedSubject())
    with pytest.raises(ValueError, match=f"^line {number}, '.*', cannot be read: "):
        ContextTreeExplanation.from_text("\n".join(lines), vocabulary)
