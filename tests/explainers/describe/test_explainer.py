"""Sentences about planted neurons, made from the structure of other explanations."""

from __future__ import annotations

import json

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS, Failure, has_complete_text
from benchmark.vocabulary import Vocabulary
from explainers.controls import Zero
from explainers.describe import Describe, Description
from explainers.describe.explainer import KNOWN
from explainers.describe.explanation import simulate_together
from explainers.rules import Rules
from tests.explainers.planted import PlantedSubject, make_evidence, random_contexts
from tests.explainers.rule_subject import RuleSubject, evidence_of

READERS = ("rules", "context_tree", "token_lookup", "max_examples", "n2g", "local_search")


def contexts(n: int = 40, seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 50, (n, 12), generator=generator)
    tokens[:, 5] = 7
    tokens[::2, 4] = 9
    tokens[:, 0] = 0
    return tokens.tolist()


def one_token(tokens: list[int]) -> float:
    return 4.0 if tokens[-1] == 7 else 0.0


def after_another(tokens: list[int]) -> float:
    return 4.0 if tokens[-2:] == [9, 7] else 0.0


@pytest.fixture(scope="module")
def planted():
    subject = RuleSubject(one_token, after_another)
    return subject, evidence_of(subject, contexts(20), sample=contexts())


def correlation(one, subject, neuron: int) -> float:
    tokens = torch.tensor(contexts(60, seed=3))
    truth = subject.activations(tokens, 0)[..., neuron]
    pair = torch.stack([truth.flatten(), one.simulate(tokens).flatten()])
    return float(torch.corrcoef(pair)[0, 1])


@pytest.mark.parametrize("of", READERS)
def test_a_token_that_a_neuron_fires_on_is_said(of, planted) -> None:
    subject, evidence = planted
    explainer = Describe(of)
    found = explainer.explain(evidence.restricted_to(explainer.evidence), subject)
    one = found[0]
    assert one.text.startswith('Fires 10/10 on "·t7"')
    assert correlation(one, subject, 0) > 0.99


@pytest.mark.parametrize("of", ["rules", "context_tree", "max_examples"])
def test_a_token_that_must_stand_before_is_said(of, planted) -> None:
    subject, evidence = planted
    explainer = Describe(of)
    one = explainer.explain(evidence.restricted_to(explainer.evidence), subject)[1]
    assert '"·t7" after "·t9"' in one.text
    assert correlation(one, subject, 1) > 0.99


def test_elsewhere_is_what_the_neuron_does_beside_the_clues(planted) -> None:
    subject, evidence = planted
    one = Describe("token_lookup", 60).explain(evidence, subject)[0]
    assert one.text == 'Fires 10/10 on "·t7"; 0/10 elsewhere. 10/10 is 4.'


def test_words_of_fasttext_are_said(planted) -> None:
    from explainers.fasttext import FastText

    inner = FastText(evidence="exemplars+sample", dimensions=4, epochs=1)
    subject, evidence = planted
    one = Describe(inner).explain(evidence, subject)[0]
    assert '"·t7"' in one.text
    assert correlation(one, subject, 0) > 0.9


def test_the_sentence_is_all_that_predicts(planted) -> None:
    subject, evidence = planted
    vocabulary, tokens = Vocabulary.of(subject), torch.tensor(contexts(9, seed=5))
    for one in Describe().explain(evidence, subject):
        assert has_complete_text(one)
        again = Description.from_text(one.describe(), vocabulary)
        assert torch.equal(again.simulate(tokens), one.simulate(tokens))
        saved = Description.from_dict(json.loads(json.dumps(one.to_dict())))
        assert saved == one


@pytest.mark.parametrize("characters", [60, 90, 200, 600])
def test_a_sentence_keeps_within_its_characters(characters) -> None:
    subject = PlantedSubject()
    evidence = make_evidence(subject, n_sample=30, n_explain=60)
    found = Describe("token_lookup", characters).explain(evidence, subject)
    assert all(len(one.text) <= characters for one in found)
    if characters == 600:
        assert max(len(one.text) for one in found) > 60


def test_more_characters_say_more_of_the_evidence() -> None:
    subject = PlantedSubject()
    evidence = make_evidence(subject, n_sample=40, n_explain=60)
    assert evidence.sample is not None
    errors = []
    for characters in (60, 120, 400):
        found = Describe("context_tree", characters).explain(evidence, subject)
        predicted = simulate_together(found, evidence.sample.tokens)
        text = evidence.sample.tokens != evidence.bos
        errors.append(float((predicted - evidence.sample.activations)[text].square().mean()))
    assert errors[0] > errors[1] > errors[2]


def test_many_simulate_as_each_alone() -> None:
    subject = PlantedSubject()
    found = Describe().explain(make_evidence(subject), subject)
    tokens = random_contexts(7, 11, seed=9)
    together = simulate_together(found, tokens)
    for row, one in enumerate(found):
        assert torch.equal(together[..., row], one.simulate(tokens))


def test_a_neuron_is_described_alike_alone_and_in_a_block() -> None:
    subject = PlantedSubject()
    evidence = make_evidence(subject, n_sample=30)
    together = Describe().explain(evidence, subject)
    for row, one in enumerate(together):
        (alone,) = Describe().explain(evidence.select(torch.tensor([row])), subject)
        assert alone.text == one.text


def test_it_sees_what_the_other_explainer_sees() -> None:
    assert Describe(Rules(evidence=EXEMPLARS)).evidence == EXEMPLARS
    subject = PlantedSubject()
    evidence = make_evidence(subject, n_sample=30)
    given = [
        Describe(Rules(evidence=EXEMPLARS)).explain(each, subject)
        for each in (evidence, evidence.without_sample())
    ]
    assert [one.text for one in given[0]] == [one.text for one in given[1]]


def test_options_are_those_of_the_explainer_that_is_named() -> None:
    assert Describe("token_lookup", options={"evidence": EXEMPLARS}).evidence == EXEMPLARS


def test_a_failure_stays_one_and_a_dead_neuron_is_described() -> None:
    subject = PlantedSubject()
    evidence = make_evidence(subject, neurons=(0, 6))
    evidence.exemplars.activations[0, 0, 2] = torch.nan
    broken, dead = Describe("rules").explain(evidence, subject)
    assert isinstance(broken, Failure)
    assert dead.text == "Fires 0/10 elsewhere. 10/10 is 1."


@pytest.mark.parametrize("name", KNOWN)
def test_every_explainer_that_is_known_by_name_exists(name) -> None:
    assert name in Describe(name).inner.__module__ or name == "n2g_plus"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"of": "rule"}, "did you mean 'rules'"),
        ({"of": 3}, "no explainer"),
        ({"options": {"max_byte": 3}}, "options of describe do not fit context_tree: .*max_byte"),
        ({"max_characters": 59}, "at least 60"),
        ({"max_characters": "many"}, "no number"),
    ],
)
def test_options_that_cannot_be(options, said) -> None:
    with pytest.raises(BenchmarkError, match=said):
        Describe(**options)


def test_an_explanation_of_unknown_structure_is_named() -> None:
    subject = PlantedSubject()
    with pytest.raises(BenchmarkError, match="cannot say what a ConstantExplanation is about"):
        Describe(Zero()).explain(make_evidence(subject), subject)


@pytest.mark.parametrize(
    "data",
    [
        {"max_activation": float("nan"), "elsewhere": 0, "clues": []},
        {"max_activation": 1.0, "elsewhere": 9999, "clues": []},
        {"max_activation": 1.0, "elsewhere": 0, "clues": [[3]]},
        {"max_activation": 1.0, "elsewhere": 0, "clues": [[3, -1]]},
    ],
)
def test_damaged_descriptions_are_refused(data) -> None:
    with pytest.raises(ValueError, match=r"out of range|cannot be"):
        Description.from_dict(data)
