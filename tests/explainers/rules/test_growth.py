"""Growth of rules: equal to the slow way, true to planted rules, never from one document alone."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import Evidence, Exemplars, Failure, Sample
from benchmark.vocabulary import Vocabulary
from explainers.rules import Rules
from explainers.rules.candidates import choose_candidates
from explainers.rules.features import find_families
from explainers.rules.growth import NONE, grow
from explainers.rules.lines import pattern_costs
from explainers.rules.observations import observe
from explainers.rules.regression import regression
from tests.explainers.planted import BOS, PlantedSubject
from tests.explainers.rules import slow
from tests.graphs.test_notation import Texts

WORDS = ["<s>", "·a", "b", "cc", "dd", "e", "f", "gg", "h"]
SUBJECT = PlantedSubject()
SUBJECT.tokenizer = Texts(WORDS)
VOCABULARY = Vocabulary(SUBJECT.tokenizer, BOS)


def contexts(n: int, length: int = 16, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, len(WORDS), (n, length), generator=generator)
    tokens[:, 0] = BOS
    return tokens


def evidence_of(tokens, activations, *, k: int = 3, documents=None, n_sample=None) -> Evidence:
    """Evidence of neurons with given activations, `[m, ctx, n]`, the sample being all contexts."""
    n = activations.shape[-1]
    hidden = activations.masked_fill((tokens == BOS)[..., None], -torch.inf)
    top = hidden.amax(1).topk(k, dim=0).indices.T
    rows = torch.arange(n)[:, None]
    own = activations.permute(2, 0, 1)[rows, top]
    maximum = hidden.amax((0, 1))
    m = len(tokens) if n_sample is None else n_sample
    documents = torch.arange(len(tokens))[:, None].repeat(1, tokens.shape[1])
    return Evidence(
        layer=0,
        neurons=torch.arange(n),
        bos=BOS,
        max_activation=maximum,
        mean_activation=activations[tokens != BOS].mean(0),
        firing_threshold=maximum / 2,
        exemplars=Exemplars(tokens[top], own, hidden[top, :, rows].argmax(-1), documents[top]),
        sample=Sample(tokens[:m], activations[:m], documents[:m]),
    )


def noisy(tokens, seed: int = 0, n: int = 3) -> torch.Tensor:
    """Activations that depend on a few patterns, and on chance."""
    generator = torch.Generator().manual_seed(seed)
    found = 0.1 * torch.rand(*tokens.shape, n, generator=generator)
    table = torch.rand(len(WORDS), len(WORDS), n, generator=generator).pow(4)
    found[:, 1:] += table[tokens[:, :-1], tokens[:, 1:]]
    return found


def prepared(evidence, depth: int = 3, most: int = 40):
    seen = observe(evidence, 0.3)
    families = find_families(seen.tokens, seen.text, depth)
    lengths = torch.tensor([len(VOCABULARY.spell(token)) for token in range(len(WORDS))])
    candidates = choose_candidates(families, seen, lengths, most, 1.0)
    return seen, families, lengths, candidates, regression(families, candidates, seen)


@pytest.mark.parametrize("with_sample", [True, False])
def test_normal_equations_are_those_of_written_out_columns(
    with_sample: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explainers.rules.candidates.OFTENEST", 1.0)
    tokens = contexts(60)
    evidence = evidence_of(tokens, noisy(tokens), n_sample=50)
    if not with_sample:
        evidence = evidence.without_sample()
    seen, families, _, candidates, equations = prepared(evidence)
    kinds = {families[number].shape[0] for number in candidates.family.unique().tolist()}
    assert kinds >= {"steps", "somewhere"}
    for neuron in range(3):
        patterns = [
            slow.pattern_of(families[family], feature)
            for family, feature in zip(
                candidates.family[neuron].tolist(), candidates.feature[neuron].tolist(), strict=True
            )
        ]
        columns = slow.columns_of(patterns, seen.tokens.numpy())
        weights = seen.weights()[:, neuron].double().numpy()
        products, targets = slow.equations_of(
            columns,
            seen.deviations()[:, neuron].double().numpy(),
            weights,
            seen.half.numpy(),
            centred=with_sample,
        )
        assert np.allclose(equations.products[:, neuron].numpy(), products, atol=1e-3)
        assert np.allclose(equations.targets[:, neuron].numpy(), targets, atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_growth_is_that_of_the_slow_way(seed: int) -> None:
    tokens = contexts(80, seed=seed)
    evidence = evidence_of(tokens, noisy(tokens, seed))
    _, families, lengths, candidates, equations = prepared(evidence)
    costs = pattern_costs(families, candidates, lengths)
    scale = evidence.max_activation
    grown = grow(equations, costs, scale, torch.full((3,), 150), 1.0)
    for neuron in range(3):
        patterns = [
            slow.pattern_of(families[family], feature)
            for family, feature in zip(
                candidates.family[neuron].tolist(), candidates.feature[neuron].tolist(), strict=True
            )
        ]
        wanted = slow.grow(
            patterns,
            equations.products[:, neuron].double().numpy(),
            equations.targets[:, neuron].double().numpy(),
            (costs.whole[neuron].tolist(), lengths.tolist()),
            float(scale[neuron]),
            150,
            1.0,
            float(equations.deviation[neuron]),
        )
        found: dict[int, list[int]] = {}
        for at in grown.order[neuron].argsort(stable=True).tolist():
            if grown.line[neuron, at] != NONE:
                found.setdefault(int(grown.line[neuron, at]), []).append(at)
        assert len(wanted) > 3
        assert [
            (int(grown.values[neuron, line]), members) for line, members in sorted(found.items())
        ] == [(value, members) for value, members in wanted]


def test_planted_rules_are_found() -> None:
    tokens = contexts(400, seed=3)
    activations = torch.zeros(*tokens.shape, 2)
    activations[..., 0] = 2.0 * ((tokens == 2) | (tokens == 4))
    before = torch.zeros_like(tokens)
    before[:, 1:] = tokens[:, :-1]
    activations[..., 1] = 1.0 * (tokens == 3) + 3.0 * ((tokens == 3) & (before == 1))
    explanations = Rules(max_characters=80).explain(evidence_of(tokens, activations), SUBJECT)
    assert explanations[0].describe().split("\n")[1] in ("100 ‹b|dd›", "100 ‹dd|b›")
    first, second, third, *corrections = explanations[1].lines()
    assert first.text == "% of 4; else 0; floor 0"
    # Values are drawn a little to zero.
    assert re.fullmatch(r"7\d \\\\u00b7a‹cc›", second.text)
    assert re.fullmatch(r"2\d ‹cc›", third.text)
    assert all(line.variance < 0.001 for line in corrections)
    assert explanations[1].lines()[1].precision > 0.95


def test_a_pattern_of_one_document_is_no_rule() -> None:
    tokens = contexts(300, seed=4)
    tokens[tokens == 8] = 7
    tokens[5, 3:13] = 8
    activations = 5.0 * (tokens == 8)[..., None]
    (explanation,) = Rules(max_characters=200).explain(evidence_of(tokens, activations), SUBJECT)
    assert "h" not in explanation.describe().split("floor")[1]
    tokens[6, 3] = 8
    tokens[7, 3:9] = 8
    tokens[8, 3:9] = 8
    activations = 5.0 * (tokens == 8)[..., None]
    (explanation,) = Rules(max_characters=200).explain(evidence_of(tokens, activations), SUBJECT)
    assert "‹h" in explanation.describe()


def test_one_document_gives_no_rule_at_all() -> None:
    tokens = contexts(20, seed=5)
    evidence = evidence_of(tokens, noisy(tokens, 5))
    sample, exemplars = evidence.sample, evidence.exemplars
    same = replace(
        evidence,
        sample=replace(sample, documents=torch.zeros_like(sample.documents)),
        exemplars=replace(exemplars, documents=torch.zeros_like(exemplars.documents)),
    )
    for explanation, mean in zip(
        Rules().explain(same, SUBJECT), evidence.mean_activation.tolist(), strict=True
    ):
        assert explanation.rules == ()
        assert float(explanation.simulate(tokens).mean()) == pytest.approx(mean, rel=0.02)


@pytest.mark.parametrize("budget", [60, 100, 300, 1000])
@pytest.mark.parametrize("kind", ["exemplars", "exemplars+sample"])
def test_no_text_is_longer_than_its_budget(budget: int, kind: str) -> None:
    tokens = contexts(200, seed=6)
    evidence = evidence_of(tokens, noisy(tokens), k=20)
    explainer = Rules(max_characters=budget, evidence=kind)
    for explanation in explainer.explain(evidence, SUBJECT):
        assert len(explanation.describe()) <= budget
        assert len(explanation.rules) > (budget > 60)


def test_more_characters_explain_more_of_the_evidence() -> None:
    tokens = contexts(200, seed=7)
    activations = noisy(tokens, 7)
    evidence = evidence_of(tokens, activations)
    text = tokens != BOS
    found = []
    for budget in (60, 120, 400):
        explainer = Rules(max_characters=budget)
        predicted = explainer.simulate_block(explainer.explain(evidence, SUBJECT), tokens)
        pairs = zip(predicted[text].T.numpy(), activations[text].T.numpy(), strict=True)
        found.append([np.corrcoef(one, other)[0, 1] for one, other in pairs])
    assert (np.diff(np.array(found), axis=0) > 0).all()


def test_lines_say_how_often_they_match_and_how_often_the_neuron_fires_there() -> None:
    tokens = contexts(200, seed=8)
    evidence = evidence_of(tokens, noisy(tokens, 8))
    fires = evidence.sample.activations >= evidence.firing_threshold
    text = (tokens != BOS).numpy()
    for neuron, explanation in enumerate(Rules(max_characters=150).explain(evidence, SUBJECT)):
        first, *lines = explanation.lines()
        assert first.variance is None
        assert "\n".join([first.text, *(line.text for line in lines)]) == explanation.describe()
        for line, rule in zip(lines, explanation.rules, strict=True):
            matched = slow.columns_of([rule], tokens.numpy())[:, 0].reshape(text.shape) * text
            assert line.matches == pytest.approx(1000 * matched.sum() / text.sum(), abs=1e-3)
            firing = (matched * fires[..., neuron].numpy()).sum()
            assert line.precision == pytest.approx(firing / matched.sum(), abs=1e-3)


def test_a_line_lacks_what_it_explains_when_it_is_left_out() -> None:
    tokens = contexts(300, seed=9)
    activations = noisy(tokens, 9, n=1)
    evidence = replace(evidence_of(tokens, activations, k=1))
    (explanation,) = Rules(max_characters=200).explain(evidence, SUBJECT)
    text = tokens != BOS
    truth = activations[..., 0][text].double()

    def error(rules) -> float:
        part = replace(explanation, rules=tuple(rules), floor=-9999)
        rest = part.simulate(tokens)[text].double() - truth
        return float((rest - rest.mean()).square().sum())

    whole = float((truth - truth.mean()).square().sum())
    for number, line in enumerate(explanation.lines()[1:]):
        others = [*explanation.rules[:number], *explanation.rules[number + 1 :]]
        lost = (error(others) - error(explanation.rules)) / whole
        assert line.variance == pytest.approx(lost, abs=2e-3)


def test_a_neuron_that_is_not_finite_fails_and_no_other_one() -> None:
    tokens = contexts(100)
    activations = noisy(tokens)
    wanted = Rules(max_characters=200).explain(evidence_of(tokens, activations), SUBJECT)
    evidence = evidence_of(tokens, activations)
    evidence.sample.activations[3, 4, 1] = torch.nan
    answers = Rules(max_characters=200).explain(evidence, SUBJECT)
    assert isinstance(answers[1], Failure)
    assert [answers[0], answers[2]] == [wanted[0], wanted[2]]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_characters", 59),
        ("max_characters", 1000.5),
        ("max_characters", True),
        ("depth", 0),
        ("shrinkage", 0),
        ("shrinkage", "much"),
        ("exemplar_weight", float("inf")),
        ("evidence", "text"),
    ],
)
def test_wrong_options_are_named(option: str, value: object) -> None:
    with pytest.raises(BenchmarkError, match=option):
        Rules(**{option: value})
