"""Complete texts: what is read back from one simulates as the explanation that wrote it."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.evaluation.simulate import simulate
from benchmark.interface import Failure, Sample
from benchmark.subject import load_subject
from benchmark.vocabulary import Vocabulary
from explainers.complete_text import joined
from explainers.controls.constant import ConstantExplanation
from explainers.n2g import N2GExplanation
from explainers.n2g.settings import LITERAL, MATCH
from explainers.n2g.trie import ANY
from explainers.n2g.trie import Path as TriePath
from tests.explainers.n2g.test_slow_twin import strongest
from tests.explainers.planted import PlantedSubject, make_evidence, random_contexts
from tests.explainers.test_any_explainer import NAMES, build
from tests.graphs.test_notation import patterns, vocabularies

ON_THE_TRACK = {
    "zero": {},
    "mean": {},
    "n2g": {},
    "n2g_plus": {},
    "rules": {"max_characters": 300},
    "context_tree": {"max_characters": 300},
    "describe": {},
}
"""Explainers whose texts are complete, with the options that this needs."""
ONE_LINE = {("zero", 2), ("mean", 2), ("describe", 2)}


@pytest.fixture(scope="module")
def subjects():
    """The planted and a built-in subject, evidence of a few neurons of each, and other text."""
    planted = PlantedSubject()
    tiny = load_subject(
        {"name": "solu-tiny", "kind": "builtin", "source": "solu_tiny"}, device="cpu"
    )
    ids = tiny.tokenizer.encode(Path(textwrap.__file__).read_text("utf-8"))
    text = torch.tensor(ids[: len(ids) // 23 * 23]).reshape(-1, 23)
    text = torch.cat([torch.full((len(text), 1), tiny.bos), text], 1)
    evidence = strongest(tiny, text[:80], 1, n=3)
    activations = tiny.activations(text[:80], 1)[..., evidence.neurons]
    return [
        (planted, make_evidence(planted), random_contexts(5, 11, seed=2)),
        (tiny, replace(evidence, sample=Sample(text[:80], activations)), text),
    ]


@pytest.mark.parametrize("name", ON_THE_TRACK)
def test_what_is_read_back_simulates_equally(name, subjects):
    explainer = build(name, **ON_THE_TRACK[name])
    for subject, evidence, tokens in subjects:
        vocabulary = Vocabulary.of(subject)
        explanations = explainer.explain(evidence.restricted_to(explainer.evidence), subject)
        assert not any(isinstance(one, Failure) for one in explanations)
        together = simulate(explainer, explanations, tokens).predictions
        for one, predicted in zip(explanations, together, strict=True):
            assert one.text_is_complete
            again = type(one).from_text(one.describe(), vocabulary)
            assert again.text_is_complete
            assert again.describe() == one.describe()
            assert torch.equal(again.simulate(tokens), predicted)
            saved = type(one).from_dict(json.loads(json.dumps(again.to_dict())))
            assert saved.text_is_complete
            assert saved.describe() == one.describe()


@pytest.mark.parametrize("name", NAMES)
def test_every_explanation_states_whether_its_text_is_complete(name):
    subject, explainer = PlantedSubject(), build(name)
    evidence = make_evidence(subject).restricted_to(explainer.evidence)
    for one in explainer.explain(evidence, subject):
        assert one.text_is_complete is (name in ON_THE_TRACK and not ON_THE_TRACK[name])


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, number)
        for name in ON_THE_TRACK
        for number in (1, 2)
        if (name, number) not in ONE_LINE
    ],
)
def test_a_line_that_cannot_be_read_is_named(name, number, subjects):
    explainer = build(name, **ON_THE_TRACK[name])
    subject, evidence, _ = subjects[1]
    explained = explainer.explain(evidence.restricted_to(explainer.evidence), subject)
    one = max(explained, key=lambda each: len(each.describe()))
    lines = one.describe().splitlines()
    for wrong in ("", "nonsense", lines[number - 1] + "q", "‹" + lines[number - 1]):
        lines[number - 1] = wrong
        with pytest.raises(ValueError, match=f"^line {number}, '.*', cannot be read: "):
            type(one).from_text("\n".join(lines), Vocabulary.of(subject))


NUMBERS = st.floats(-(2.0**60), 2.0**60, width=32)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.data())
def test_any_constant_is_read_back(value, data):
    one = ConstantExplanation(value)
    again = ConstantExplanation.from_text(one.describe(), data.draw(vocabularies()))
    assert torch.equal(again.simulate(torch.zeros(2, 3)), one.simulate(torch.zeros(2, 3)))
    assert again.describe() == one.describe()


@st.composite
def tries(draw, vocabulary):
    """Any trie: literal ids may be BOS and lie beyond the vocabulary, and values are alike."""
    token = st.integers(0, vocabulary.size + 2)
    values = st.sampled_from([*draw(st.lists(NUMBERS, min_size=1, max_size=3)), -0.001])
    paths = {}
    for _ in range(draw(st.integers(0, 12))):
        inner = draw(st.lists(st.one_of(token, st.just(ANY)), max_size=2))
        tokens = (draw(token), *inner, draw(token)) if draw(st.booleans()) else (draw(token),)
        paths[tokens] = TriePath(tokens, (0.0,) * len(tokens), draw(values), 1)
    match = draw(st.sampled_from(MATCH))
    return N2GExplanation(draw(NUMBERS), tuple(paths.values()), draw(values), match=match)


def texts_for(explanation, vocabulary, draw):
    """Random text in which what a trie looks for is frequent."""
    ids = {token for path in explanation.paths for token in path.tokens if token != ANY} | {0}
    token = st.sampled_from([*sorted(ids), vocabulary.size + 7])
    rows = draw(st.lists(st.lists(token, min_size=6, max_size=6), min_size=1, max_size=4))
    return torch.tensor(rows)


@given(st.data())
def test_any_trie_is_read_back(data):
    vocabulary = data.draw(vocabularies())
    one = data.draw(tries(vocabulary)).as_shown(vocabulary)
    again = N2GExplanation.from_text(one.describe(), vocabulary)
    tokens = texts_for(one, vocabulary, data.draw)
    assert torch.equal(again.simulate(tokens), one.simulate(tokens))
    assert {(path.tokens, path.activation) for path in again.paths} == {
        (path.tokens, path.activation) for path in one.paths
    }
    assert again.as_shown(vocabulary).describe() == again.describe() == one.describe()


@given(st.data())
def test_joined_patterns_stand_for_the_same_ones(data):
    vocabulary = data.draw(vocabularies())
    token = st.integers(0, 4).map(lambda one: (one,))
    places = st.lists(st.one_of(token, st.just(())), min_size=1, max_size=3).map(tuple)
    given = data.draw(st.lists(places, unique=True, max_size=30))
    found = joined(given)
    assert len(found) <= len(given)
    assert sorted(each for one in found for each in members(one)) == sorted(given)
    assert joined([data.draw(patterns(vocabulary))][:0]) == []


def members(places):
    """All patterns without alternatives that one stands for."""
    ends = [()]
    for place in places:
        options = [(token,) for token in place] if place else [()]
        ends = [(*end, option) for end in ends for option in options]
    return ends


def test_a_trie_says_all_that_it_predicts():
    vocabulary = Vocabulary.of(PlantedSubject())
    paths = [
        ((2, 1), 0.512),
        ((3, 1), 0.508),
        ((2, ANY, 4), 0.25),
        ((2, ANY, 5), 0.25),
        ((3, ANY, 5), 0.25),
        ((6, 0), 0.0949),
    ]
    made = tuple(TriePath(tokens, (0.0,) * len(tokens), value, 1) for tokens, value in paths)
    one = N2GExplanation(2.34567, made, 0.004, match=LITERAL)
    assert not one.text_is_complete
    shown = one.as_shown(vocabulary)
    assert shown.describe().splitlines() == [
        "largest activation 2.346, elsewhere 0.00, a token goes before …",
        "·the‹cat|↵›  0.51",
        "[·sat|→]…‹cat›  0.25",
        "→…‹↵›  0.25",
        "[start]‹é›  0.09",
    ]
    simulated = shown.simulate(torch.tensor([[0, 6, 1, 2, 5, 4, 3]]))[0]
    assert simulated.tolist() == pytest.approx([0, 0.21114, 0, 1.19646, 0, 0, 0.5865])
