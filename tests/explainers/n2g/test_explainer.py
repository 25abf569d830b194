"""N2G as a whole: what the harness asks of every explainer, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import instantiate

import configs
from benchmark.errors import BenchmarkError
from benchmark.evaluation.simulate import simulate
from benchmark.interface import EXEMPLARS, Explainer, Explanation, Failure
from explainers.n2g import N2G
from explainers.n2g.settings import AUTHORS, Settings
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of

CONTEXTS = [[BOS, 10, 11, 12, 5, 13], [BOS, 5, 9, 10, 12, 11], [BOS, 12, 11, 5, 3, 10]]


def twos(tokens):
    """Fires on 10 if 5 came just before, half as much on 12 whatever came before."""
    if tokens[-2:] == [5, 13]:
        return 4.0
    return 3.0 * (tokens[-1] == 12)


RULES = (twos, lambda tokens: 2.0 * (tokens[-1] == 11), lambda tokens: 0.0)


def explained(**options):
    subject = RuleSubject(*RULES)
    evidence = evidence_of(subject, CONTEXTS).without_sample()
    evidence.max_activation[:] = torch.tensor([4.0, 2.0, 0.0])
    explainer = N2G(**{"augmenter": "none", **options})
    return explainer, evidence, subject, explainer.explain(evidence, subject)


def config():
    text = (Path(configs.__file__).parent / "explainer" / "n2g.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def test_the_config_holds_every_setting():
    given = config()
    options = {key: given[key] for key in given if key not in ("name", "description", "control")}
    explainer = instantiate(options, _convert_="all")
    assert isinstance(explainer, Explainer)
    assert explainer.evidence == EXEMPLARS
    assert explainer.settings == Settings()
    assert set(options) == {"_target_", "augmenter", "masked_model", *vars(Settings())}
    authors = {
        "prune_threshold": 0.5,
        "augment_threshold": 0.8,
        "substitutes": 5,
        "importance_threshold": 0.75,
        "activation_threshold": 0.5,
        "pivot_threshold": 0.75,
        "after": 5,
        "rescale": True,
        "remeasure": True,
        "cutoff": 30,
    }
    assert {key: options[key] for key in authors} == authors
    assert given["control"] is False


def test_the_config_names_the_authors_value_wherever_it_is_another_one():
    text = (Path(configs.__file__).parent / "explainer" / "n2g.yaml").read_text("utf-8")
    lines = {line.partition(":")[0]: line for line in text.splitlines() if ": " in line}
    defaults = vars(Settings())
    for name, value in {**AUTHORS, "augmenter": "distilbert"}.items():
        assert value != defaults.get(name)
        written = str(value).lower() if isinstance(value, bool) else str(value)
        assert f"authors: {written}" in lines[name]
    named = {name for name, line in lines.items() if "authors: " in line}
    assert named == {*AUTHORS, "augmenter", "mask_token"}
    assert Settings(**AUTHORS)


def test_patterns_are_found():
    _, _, _, explanations = explained()
    assert [path.tokens for path in explanations[0].paths] == [(13, 5), (12,)]
    assert [path.activation for path in explanations[0].paths] == [1.0, 0.75]
    assert [path.tokens for path in explanations[1].paths] == [(11,)]
    assert explanations[1].describe().splitlines()[1] == "‹·t11›  1.00"
    assert explanations[0].describe().splitlines()[1:] == ["·t5‹·t13›  1.00", "‹·t12›  0.75"]


def test_a_neuron_that_never_fires_fails_and_harms_no_other():
    _, _, _, explanations = explained()
    assert isinstance(explanations[2], Failure)
    assert all(isinstance(one, Explanation) for one in explanations[:2])


def test_the_order_of_neurons_does_not_matter():
    explainer, evidence, subject, explanations = explained(augmenter="subject")
    reordered = explainer.explain(evidence.select(torch.tensor([1, 0])), subject)
    assert reordered[1].to_dict() == explanations[0].to_dict()
    assert reordered[0].to_dict() == explanations[1].to_dict()


def test_a_neuron_alone_is_explained_as_in_a_block():
    explainer, evidence, subject, explanations = explained(augmenter="subject")
    for row in (0, 1):
        (alone,) = explainer.explain(evidence.select(torch.tensor([row])), subject)
        assert alone == explanations[row]


def test_saved_and_loaded_it_simulates_the_same():
    explainer, _, _, explanations = explained(augmenter="subject")
    tokens = torch.tensor(CONTEXTS)
    for one in explanations[:2]:
        loaded = explainer.explanation_class.from_dict(json.loads(json.dumps(one.to_dict())))
        assert torch.equal(loaded.simulate(tokens), one.simulate(tokens))
    together = simulate(explainer, explanations, tokens).predictions
    assert torch.equal(together[0], explanations[0].simulate(tokens))
    assert together[2].eq(0).all()


def test_the_evidence_is_not_touched():
    _, evidence, _, _ = explained(augmenter="subject")
    assert torch.equal(evidence.exemplars.tokens[0], torch.tensor(CONTEXTS))
    assert evidence.exemplars.anchors[1].tolist() == [2, 5, 2]


def test_a_mask_token_of_another_vocabulary_is_named():
    with pytest.raises(BenchmarkError, match=r"mask_token=50 of n2g .* 'rules'"):
        explained(mask_token=50)
    assert explained(mask_token=49)


def test_exemplars_that_do_not_fire_are_not_asked_about():
    subject = RuleSubject(lambda tokens: tokens[-1])
    evidence = evidence_of(subject, [[BOS, 40, 1], [BOS, 1, 12]])
    (one,) = N2G(augmenter="none").explain(evidence, subject)
    assert (one.counts.exemplars, one.counts.used) == (2, 1)
    assert [path.tokens for path in one.paths] == [(40,)]
    # The whole context is known, so nothing at all had to be asked.
    assert subject.asked == [] or all(12 not in context for context in subject.asked)


def test_substitutes_that_still_fire_become_patterns():
    subject = RuleSubject(lambda tokens: 2.0 * (tokens[-1] in (3, 20)) + 0.2 * (tokens[-1] == 2))
    evidence = evidence_of(subject, [[BOS, 30, 20, 31]])
    (one,) = N2G(augmenter="subject").explain(evidence, subject)
    assert {path.tokens for path in one.paths} == {(20,), (3,)}
    assert {(s.replacement, s.activation, s.kept) for s in one.substitutes} == {
        ((1,), 0.0, False),
        ((2,), 0.1, False),
        ((3,), 1.0, True),
        ((4,), 0.0, False),
        ((5,), 0.0, False),
    }


def test_tokens_go_through_as_ids():
    """Public code decoded and tokenised again, which shifted the indices."""

    class NoText(RuleSubject):
        def __init__(self, *rules):
            super().__init__(*rules)
            self.tokenizer = None

    subject = NoText(*RULES)
    evidence = evidence_of(subject, CONTEXTS)
    one = N2G().explain(evidence.select(torch.tensor([0])), subject)[0]
    assert (13, 5) in [path.tokens for path in one.paths]
    assert "#13" in one.describe()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augmenter": "bert"}, "augmenter of n2g 'bert' is not known"),
        ({"combine": "last"}, "combine of n2g 'last' is not known"),
        ({"match": "shortest"}, "match of n2g 'shortest' is not known"),
        ({"rescale": 1}, "rescale of n2g must be true or false, not 1"),
        ({"after": -1}, "after of n2g must be a whole number of at least 0, not -1"),
        ({"length_step": 0}, "length_step of n2g must be a whole number of at least 1, not 0"),
        ({"pivot_threshold": 2}, "pivot_threshold of n2g must be between 0 and 1, not 2"),
        ({"exemplars": 0}, "exemplars of n2g must be a whole number of at least 1, not 0"),
        ({"prune_threshold": 1.5}, "prune_threshold of n2g must be between 0 and 1, not 1.5"),
        ({"prune_threshold": "half"}, "prune_threshold of n2g must be a number, not 'half'"),
        ({"cutoff": 0}, "cutoff of n2g must be a whole number of at least 1, not 0"),
        ({"substitutes": None}, "substitutes of n2g must be a whole number"),
        ({"mask_token": -1}, "mask_token of n2g must be a whole number of at least 0"),
    ],
)
def test_an_option_that_cannot_be(options, message):
    with pytest.raises(BenchmarkError, match=message):
        N2G(**options)
