"""N2G with the sample: exemplars of every strength, and patterns that are worth what they do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import instantiate
from hypothesis import example, given
from hypothesis import strategies as st

import configs
from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS_AND_SAMPLE, Explainer, Sample
from explainers.n2g import N2G, N2GExplanation, N2GPlus
from explainers.n2g.checking import check_against
from explainers.n2g.decile_exemplars import across_deciles
from explainers.n2g.trie import ANY
from explainers.n2g.trie import Path as TriePath
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of

NO_SUBSTITUTES = {"augmenter": "none", "activation_threshold": 0.1}


def path(*tokens, activation=1.0):
    return TriePath(tuple(reversed(tokens)), (1.0,) * len(tokens), activation, 1)


def sample_of(tokens, activations):
    return Sample(torch.tensor(tokens), torch.tensor(activations)[..., None])


def checked(paths, sample, maximum=1.0, prior=1.0, least=0.0):
    found, defaults = check_against(
        sample, [paths], np.array([maximum]), BOS, prior=prior, least=least
    )
    return {one.tokens: one.activation for one in found[0]}, defaults[0]


def test_a_path_that_fires_wrongly_is_weighted_down():
    sample = sample_of([[BOS, 5, 6, 5]], [[9.0, 0.0, 0.2, 1.0]])
    found, default = checked([path(5), path(7, activation=0.6)], sample)
    # 5 was measured as 1 and is seen with 0 and 1; 7 is not seen and stays.
    assert found == {(5,): pytest.approx(2 / 3), (7,): pytest.approx(0.6)}
    assert default == pytest.approx(0.2)


def test_what_a_longer_path_decides_does_not_count_for_the_shorter_one():
    sample = sample_of([[BOS, 4, 5, 6, 5]], [[0.0, 0.0, 1.0, 0.0, 0.0]])
    found, _ = checked([path(5), path(4, 5)], sample)
    assert found == {(5,): 0.5, (5, 4): 1.0}


def test_a_path_below_the_least_is_dropped():
    sample = sample_of([[BOS, 5, 5, 5]], [[0.0, 0.0, 0.0, 0.0]])
    assert checked([path(5)], sample, least=0.3) == ({}, 0.0)
    assert checked([path(5)], sample, least=0.2)[0] == {(5,): 0.25}


def test_parts_are_of_the_maximum_and_bos_does_not_count():
    sample = sample_of([[BOS, 5, BOS, 6]], [[8.0, 4.0, 8.0, 2.0]])
    found, default = checked([path(5, activation=0.5)], sample, maximum=8.0, prior=3.0)
    assert found == {(5,): 0.5}
    assert default == 0.25


def test_wildcards_are_checked_too():
    sample = sample_of([[BOS, 4, 9, 5], [BOS, 4, 8, 5]], [[0.0, 0, 0, 1.0], [0.0, 0, 0, 0.0]])
    found, _ = checked([path(4, ANY, 5)], sample)
    assert found == {(5, ANY, 4): pytest.approx(2 / 3)}


@given(
    values=st.lists(st.floats(-1, 1, width=32), min_size=24, max_size=24),
    deciles=st.integers(1, 10),
    per_decile=st.integers(1, 4),
    floor=st.sampled_from([0.0, 0.1, 0.5]),
)
# At a boundary of two parts, single precision would round into the upper one.
@example(values=[0.0] * 23 + [float(np.float32(0.7))], deciles=10, per_decile=1, floor=0.0)
def test_exemplars_come_from_every_part_that_has_any(values, deciles, per_decile, floor):
    tokens = [[BOS, 1, 2, BOS, 4, 5, 6, 7], [BOS, 1, 2, 3, 4, 5, 6, 7]] * 2
    activations = np.array([*values, *values[:8]], dtype=np.float32).reshape(4, 8)
    sample = sample_of(tokens, activations.tolist())
    found = across_deciles(
        sample, np.array([1.0]), BOS, deciles=deciles, per_decile=per_decile, floor=floor
    )
    double = found.activations.astype(np.float64)
    part = [min(deciles - 1, int((v - floor) / (1 - floor) * deciles)) for v in double]
    everything = [
        min(deciles - 1, int((np.float64(value) - floor) / (1 - floor) * deciles))
        for row, context in zip(activations, tokens, strict=True)
        for value, token in zip(row, context, strict=True)
        if token != BOS and value >= floor
    ]
    for number in range(deciles):
        assert part.count(number) == min(per_decile, everything.count(number))
    assert (found.activations >= floor).all()
    rows = np.arange(len(found.anchors))
    assert (found.tokens[rows, found.anchors] != BOS).all()
    assert len(found.tokens) == len(found.anchors) == len(found.owners) == len(part)


def test_a_dead_neuron_has_no_exemplars():
    sample = sample_of([[BOS, 1]], [[0.0, 0.0]])
    found = across_deciles(sample, np.array([0.0]), BOS, deciles=3, per_decile=1, floor=0.1)
    assert found.tokens.shape == (0, 2)


def weaker(tokens):
    """Fires fully on 10, half on 12, a fifth on 14; a little on everything else."""
    return {10: 4.0, 12: 2.0, 14: 0.8}.get(tokens[-1], 0.2)


EXEMPLARS = [[BOS, 1, 10, 2], [BOS, 10, 3, 1]]
SAMPLE = [[BOS, 1, 12, 2], [BOS, 14, 3, 1], [BOS, 10, 2, 3]]


def test_it_finds_what_only_the_sample_shows():
    subject = RuleSubject(weaker)
    evidence = evidence_of(subject, EXEMPLARS, sample=SAMPLE)
    (one,) = N2GPlus(**NO_SUBSTITUTES).explain(evidence, subject)
    tokens = torch.tensor([[BOS, 10, 12, 14, 30]])
    assert one.simulate(tokens)[0, 1:].tolist() == pytest.approx([4.0, 2.0, 0.8, 0.2])
    (plain,) = N2G(augmenter="none").explain(evidence, subject)
    assert plain.simulate(tokens)[0].tolist() == [0.0, 4.0, 0.0, 0.0, 0.0]
    assert one.counts.exemplars == 2 + 3
    loaded = N2GExplanation.from_dict(json.loads(json.dumps(one.to_dict())))
    assert loaded == one


def test_the_order_of_neurons_does_not_matter():
    subject = RuleSubject(
        weaker, lambda tokens: 3.0 * (tokens[-1] == 1), lambda tokens: len(tokens)
    )
    evidence = evidence_of(subject, EXEMPLARS, sample=SAMPLE)
    explainer = N2GPlus(**NO_SUBSTITUTES)
    explanations = explainer.explain(evidence, subject)
    order = [2, 0, 1]
    reordered = explainer.explain(evidence.select(torch.tensor(order)), subject)
    for neuron, one in zip(order, reordered, strict=True):
        assert one.to_dict() == explanations[neuron].to_dict()


def test_the_config():
    text = (Path(configs.__file__).parent / "explainer" / "n2g_plus.yaml").read_text("utf-8")
    given = yaml.safe_load(text)
    options = {key: given[key] for key in given if key not in ("name", "description", "control")}
    explainer = instantiate(options, _convert_="all")
    assert isinstance(explainer, Explainer)
    assert explainer.evidence == EXEMPLARS_AND_SAMPLE
    own = {"_target_", "augmenter", "masked_model", "deciles", "per_decile", "prior", "least"}
    own.add("evidence")
    assert set(options) == own | set(vars(explainer.settings))


def test_a_sample_that_is_missing_is_said():
    subject = RuleSubject(weaker)
    with pytest.raises(BenchmarkError, match="n2g_plus needs the sample"):
        N2GPlus().explain(evidence_of(subject, EXEMPLARS), subject)


def test_exemplars_stand_in_for_a_sample():
    """The same as with a sample of the exemplars, but for what is predicted elsewhere."""
    subject = RuleSubject(weaker)
    alone = evidence_of(subject, EXEMPLARS)
    (found,) = N2GPlus(**NO_SUBSTITUTES, evidence="exemplars").explain(alone, subject)
    beside = evidence_of(subject, EXEMPLARS, sample=EXEMPLARS)
    (expected,) = N2GPlus(**NO_SUBSTITUTES).explain(beside, subject)
    assert found.paths == expected.paths
    mean = float(alone.mean_activation[0] / alone.max_activation[0])
    assert found.default == round(mean, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deciles": 0}, "deciles of n2g_plus must be a whole number of at least 1, not 0"),
        ({"per_decile": 1.5}, "per_decile of n2g_plus"),
        ({"prior": 0}, "prior of n2g_plus must be above 0"),
        ({"least": 1}, "least of n2g_plus"),
    ],
)
def test_an_option_that_cannot_be(options, message):
    with pytest.raises(BenchmarkError, match=message):
        N2GPlus(**options)
