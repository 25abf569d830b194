"""Rules as text and in a text: read back as they were, matched as the slow way matches them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.vocabulary import Vocabulary
from explainers.rules import RulesExplanation
from explainers.rules.matching import stands_earlier
from explainers.rules.rule import MOST, Rule, read_rule, read_value, write_rule, write_value
from tests.explainers.rules import slow
from tests.graphs.test_notation import Texts, vocabularies

TOKENS = 6
PLAIN = Vocabulary(Texts(["<s>", " a", "b", "ab", "c~8", "↺", "'\\"]), bos=0)


@st.composite
def rules(draw: st.DrawFn, n_tokens: int = TOKENS) -> Rule:
    """Return a rule of any kind."""
    token = st.integers(0, n_tokens - 1)
    some = st.lists(token, min_size=1, max_size=3, unique=True).map(tuple)
    place = st.one_of(some, st.just(()))
    value = draw(st.integers(-MOST, MOST))
    kind = draw(st.sampled_from(["steps", "within", "again"]))
    if kind == "within":
        return Rule(value, (draw(some), draw(place)), within=draw(st.integers(1, 9)))
    if kind == "again":
        return Rule(value, (draw(place),), again=True)
    middle = draw(st.lists(place, max_size=3))
    if draw(st.booleans()):
        return Rule(value, (draw(some), *middle, draw(place)))
    return Rule(value, (draw(some),))


TEXTS = st.lists(
    st.lists(st.integers(0, TOKENS - 1), min_size=9, max_size=9), min_size=1, max_size=4
)


@given(st.lists(rules(), max_size=8), TEXTS, st.integers(-MOST, MOST), st.integers(-MOST, MOST))
def test_rules_add_up_as_the_slow_way_adds_them(found, texts, elsewhere, floor) -> None:
    explanation = RulesExplanation.made(7.6892, elsewhere, floor, found, PLAIN)
    tokens = torch.tensor(texts)
    fast = explanation.simulate(tokens)
    assert fast.dtype == torch.float32
    assert np.array_equal(fast.numpy(), slow.simulated(explanation, tokens.numpy()))


@given(st.data())
def test_a_text_is_read_back_into_equal_rules(data: st.DataObject) -> None:
    vocabulary = data.draw(vocabularies())
    size = len(vocabulary.tokenizer) + 2
    found = data.draw(st.lists(rules(size), max_size=5))
    numbers = st.integers(-MOST, MOST)
    maximum = data.draw(st.floats(1e-6, 1e9))
    explanation = RulesExplanation.made(
        maximum, data.draw(numbers), data.draw(numbers), found, vocabulary
    )
    again = RulesExplanation.from_text(explanation.describe(), vocabulary)
    assert again == explanation
    tokens = torch.tensor(data.draw(TEXTS)) % size
    assert torch.equal(again.simulate(tokens), explanation.simulate(tokens))
    saved = RulesExplanation.from_dict(explanation.to_dict())
    assert saved == explanation
    bare = {name: each for name, each in explanation.to_dict().items() if name != "shown"}
    assert torch.equal(
        RulesExplanation.from_dict(bare).simulate(tokens), explanation.simulate(tokens)
    )


@given(st.integers(-MOST, MOST))
def test_values_are_percent_with_a_tenth_at_most(value: int) -> None:
    assert read_value(write_value(value)) == value
    assert float(write_value(value)) == value / 10


def test_each_kind_of_rule_has_its_notation() -> None:
    a, b, ab, c = 1, 2, 3, 4
    lines = {
        Rule(850, ((a,),)): "85 ‹·a›",
        Rule(-75, ((a,), (b, ab), (c,))): "-7.5 ·a[b|ab]‹c\\~8›",
        Rule(4, ((0,), (), (a,))): ".4 [start]…‹·a›",
        Rule(100, ((a,), ())): "10 ·a‹…›",
        Rule(10, ((c,), (a,)), within=8): "1 c\\~8~8‹·a›",
        Rule(10, ((6,), (6,)), within=8): "1 '\\\\~8‹'\\\\›",
        Rule(10, ((4, 6), (a,)), within=12): "1 [c\\~8|'\\\\]~12‹·a›",
        Rule(10, ((5,),), again=True): "1 ↺‹\\↺›",
        Rule(10, ((),), again=True): "1 ↺‹…›",
    }
    for rule, line in lines.items():
        assert write_rule(rule, PLAIN) == line
        assert read_rule(line, PLAIN) == rule


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("85", "no pattern"),
        ("85 ·a", "no pattern"),
        ("8.55 ‹·a›", "no percentage"),
        ("085 ‹·a›", "no percentage"),
        ("+85 ‹·a›", "no percentage"),
        ("85 ‹q›", "no token"),
        ("85 …‹·a›", "begins with a token"),
        ("85 ‹…›", "begins with a token"),
        ("85 ‹·a|·a›", "distinct"),
        ("85 ·ab~8‹·a›", "one token"),
        ("85 ↺·a‹b›", "no context"),
        ("99999 ‹·a›", "cannot be"),
    ],
)
def test_what_is_no_rule_is_refused_and_its_line_named(line: str, why: str) -> None:
    text = f"% of 7.689; else .6; floor -2\n10 ‹b›\n{line}"
    with pytest.raises(ValueError, match="line 3") as error:
        RulesExplanation.from_text(text, PLAIN)
    assert why in str(error.value)


@pytest.mark.parametrize("first", ["", "% of x; else 0; floor 0", "% of 1; else 1", "always 3"])
def test_a_first_line_that_is_none_is_refused(first: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        RulesExplanation.from_text(first, PLAIN)


@given(TEXTS)
def test_what_stands_earlier_is_found_in_its_own_context(texts: list[list[int]]) -> None:
    tokens = np.array(texts)
    wanted = [[token in row[:at] for at, token in enumerate(row)] for row in texts]
    assert np.array_equal(stands_earlier(tokens), np.array(wanted))


def test_the_line_with_the_largest_value_decides() -> None:
    found = [Rule(100, ((1,),)), Rule(-300, ((2,), (1,))), Rule(300, ((1,),), again=True)]
    explanation = RulesExplanation.made(1.0, 0, -999, found, PLAIN)
    tokens = torch.tensor([[0, 1, 2, 1, 3]])
    assert explanation.deciding_lines(tokens).tolist() == [[0, 1, 0, 2, 0]]


def test_a_graph_has_what_raises_the_activation_on_named_tokens() -> None:
    found = [
        Rule(900, ((1, 2), (3,))),
        Rule(-300, ((2,), (1,))),
        Rule(400, ((1,), ())),
        Rule(200, ((4,), (2,)), within=8),
    ]
    graph = RulesExplanation.made(1.0, 0, 0, found, PLAIN).graph()
    assert [graph.text(pattern) for pattern in graph.strongest_first()] == [
        "[·a | b] ‹ab›",
        "c~8 … ‹b›",
    ]


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        ({"maximum": float("nan")}, "out of range"),
        ({"floor": 10**6}, "out of range"),
        ({"rules": [[1, []]]}, "cannot be"),
        ({"rules": [[1, [[1, 1]]]]}, "distinct"),
        ({"rules": [[1, [[-1]]]]}, "distinct"),
        ({"rules": [[1, [[1]], 3, 4]]}, "damaged"),
        ({"rules": [[1, [list(range(400)), list(range(400))]]]}, "more than"),
    ],
)
def test_damaged_explanations_are_refused(damaged: dict, why: str) -> None:
    saved = RulesExplanation.made(1.0, 0, 0, [Rule(900, ((1,),))], PLAIN).to_dict()
    with pytest.raises(ValueError, match=why):
        RulesExplanation.from_dict({**saved, **damaged})
