"""The whole explainer: against its slow twin, within its budget, and where it has no answer."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.config.catalogue import find
from benchmark.errors import BenchmarkError
from benchmark.interface import Failure, Sample
from benchmark.results import explanation_bytes
from explainers.context_tree import ContextTree, ContextTreeExplanation
from tests.explainers.context_tree.slow import (
    runs_of,
    slow_simulation,
    slow_statistics,
    slow_values,
)
from tests.explainers.planted import BOS, PlantedSubject, make_evidence, random_contexts

KEEP_ALL = {"least_gain": 0.0, "step": 0.0005}


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 40),
    depth=st.integers(1, 4),
    shrinkage=st.lists(st.sampled_from([0.3, 1.0, 5.0]), min_size=1, max_size=4),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
    n_sample=st.integers(0, 8),
)
def test_values_and_simulation_are_those_of_the_slow_twin(seed, depth, shrinkage, weight, n_sample):
    """Without a sample the root is the mean over the whole split, not over the exemplars."""
    subject = PlantedSubject()
    evidence = make_evidence(subject, seed=seed, n_sample=n_sample)
    options = {"depth": depth, "shrinkage": shrinkage, "exemplar_weight": weight, **KEEP_ALL}
    if not n_sample:
        weight = options["exemplar_weight"] = weight or 1.0
        options["evidence"], evidence = "exemplars", evidence.without_sample()
    explainer = ContextTree(**options)
    tokens = random_contexts(3, 10, seed + 1)
    amounts = [shrinkage[min(at, len(shrinkage) - 1)] for at in range(depth)]
    for row, one in enumerate(explainer.explain(evidence, subject)):
        found = runs_of(one)
        table = slow_statistics(evidence, row, depth, weight)
        assert set(found) <= set(table)
        known = None if n_sample else float(evidence.mean_activation[row])
        values = slow_values(table, set(found), amounts, known)
        close = {"rel": 1e-3, "abs": 3 * one.step + 1e-3}  # the root has four digits
        assert one.root == pytest.approx(values[()], **close)
        for run, value in found.items():
            assert one.root + one.step * value == pytest.approx(values[run], **close)
        slow = slow_simulation(values, tokens.tolist(), depth)
        assert torch.allclose(
            one.simulate(tokens), torch.tensor(slow), rtol=1e-3, atol=close["abs"]
        )


def test_nothing_but_what_says_nothing_is_left_out():
    """A run without a node has the mean, or the value, of the run without its earliest token."""
    subject = PlantedSubject()
    evidence = make_evidence(subject, n_sample=12)
    for row, one in enumerate(ContextTree(depth=3, **KEEP_ALL).explain(evidence, subject)):
        table = slow_statistics(evidence, row, 3, 0.3)
        means = {run: total / count for run, (count, total) in table.items()}
        kept = {run for run in table if run and abs(means[run] - means[run[:-1]]) > 1e-4}
        missing = kept - set(runs_of(one))
        values = slow_values(table, kept | set(runs_of(one)), [1.0, 1.0, 1.0])
        for run in missing:
            assert abs(values[run] - values[run[:-1]]) < 3 * one.step + 1e-3
        assert len(missing) < len(kept) / 2


def big_evidence(n_sample=150, ctx=24):
    """A sample on which activations depend on three tokens, as many as fit into no small tree."""
    evidence = make_evidence(PlantedSubject(), n_sample=n_sample, n_explain=n_sample, ctx=ctx)
    tokens = evidence.sample.tokens
    generator = torch.Generator().manual_seed(8)
    table = torch.randn(10, 10, 10, 5, generator=generator).pow(3)
    earlier = [torch.cat([tokens[:, :1].expand(-1, k), tokens[:, : ctx - k]], 1) for k in (1, 2)]
    activations = table[tokens, earlier[0], earlier[1]]
    return dataclasses.replace(evidence, sample=Sample(tokens, activations))


def squared_error(evidence, explanations):
    """Mean over the sample's text in parts of the variance, per neuron."""
    text = evidence.sample.tokens != BOS
    truth = evidence.sample.activations[text]
    predicted = torch.stack([one.simulate(evidence.sample.tokens)[text] for one in explanations], 1)
    return (truth - predicted).square().mean(0) / truth.var(0)


def test_a_budget_is_kept_and_more_bytes_say_more():
    subject, evidence = PlantedSubject(), big_evidence()
    errors, sizes = [], []
    for max_bytes in (256, 400, 550, 700, None):
        explanations = ContextTree(max_bytes=max_bytes).explain(evidence, subject)
        sizes.append([explanation_bytes(one.to_dict()) for one in explanations])
        assert max_bytes is None or max(sizes[-1]) <= max_bytes
        errors.append(squared_error(evidence, explanations))
    assert all((more <= less + 1e-3).all() for less, more in pairwise(errors))
    assert (np.diff(np.array(sizes), axis=0) > 0).all()
    assert (errors[-1] < 0.7 * errors[0]).all()


def test_by_default_an_explanation_takes_16_kilobytes():
    assert ContextTree().max_bytes == find("explainer", "context_tree").config["max_bytes"] == 16384


def test_the_budget_is_used():
    explanations = ContextTree(max_bytes=600).explain(big_evidence(), PlantedSubject())
    assert min(explanation_bytes(one.to_dict()) for one in explanations) > 0.9 * 600


def test_a_large_budget_is_no_budget():
    subject, evidence = PlantedSubject(), big_evidence(12, 10)
    free = ContextTree(max_bytes=None).explain(evidence, subject)
    bounded = ContextTree(max_bytes=10**6).explain(evidence, subject)
    assert [one.to_dict() for one in free] == [one.to_dict() for one in bounded]


def test_a_neuron_is_explained_alone_as_in_its_block():
    subject, evidence = PlantedSubject(), big_evidence()
    together = ContextTree(max_bytes=700).explain(evidence, subject)
    for row, one in enumerate(together):
        alone = ContextTree(max_bytes=700).explain(evidence.select(torch.tensor([row])), subject)
        assert alone[0].to_dict() == one.to_dict()


def test_without_a_sample_it_says_so():
    evidence = make_evidence(PlantedSubject()).without_sample()
    with pytest.raises(BenchmarkError, match="needs the sample"):
        ContextTree().explain(evidence, PlantedSubject())


def test_a_sample_that_was_not_chosen_changes_nothing():
    subject = PlantedSubject()
    evidence = make_evidence(subject)
    explainer = ContextTree(evidence="exemplars")
    alone = explainer.explain(evidence.without_sample(), subject)
    assert [one.to_dict() for one in explainer.explain(evidence, subject)] == [
        one.to_dict() for one in alone
    ]
    for row, one in enumerate(alone):
        (again,) = explainer.explain(evidence.select(torch.tensor([row])), subject)
        assert again.to_dict() == one.to_dict()


def test_exemplars_alone_do_not_raise_what_was_never_seen():
    """What stands in no exemplar is predicted at the split's mean, a run seen once in between."""
    subject = PlantedSubject()
    evidence = make_evidence(subject, neurons=[1], k=1).without_sample()
    tokens, activations = evidence.exemplars.tokens[0, 0], evidence.exemplars.activations[0, 0]
    activations.fill_(8.0)
    mean = float(evidence.mean_activation[0])
    (one,) = ContextTree(evidence="exemplars", depth=1, step=0.001).explain(evidence, subject)
    seen, counts = tokens[tokens != BOS].unique(return_counts=True)
    unseen = [token for token in range(1, subject.d_vocab) if token not in seen.tolist()]
    assert unseen
    assert one.simulate(torch.tensor([unseen]))[0] == pytest.approx(mean, rel=1e-3)
    for token, count in zip(seen.tolist(), counts.tolist(), strict=True):
        weight = 0.3 * count
        expected = (weight * 8.0 + mean) / (weight + 1)
        assert float(one.simulate(torch.tensor([[token]]))) == pytest.approx(expected, rel=1e-2)


def test_a_sample_of_nothing_but_bos_gives_the_mean():
    evidence = make_evidence(PlantedSubject())
    tokens = torch.full((2, 3), BOS)
    evidence = dataclasses.replace(evidence, sample=Sample(tokens, torch.zeros(2, 3, 5)))
    explainer = ContextTree(exemplar_weight=0.0)
    for one, mean in zip(
        explainer.explain(evidence, PlantedSubject()), evidence.mean_activation, strict=True
    ):
        assert one.n_nodes == 0
        assert torch.allclose(one.simulate(random_contexts(2, 4)), mean, rtol=1e-3)


def test_activations_that_are_not_finite_cost_only_their_neuron():
    evidence = make_evidence(PlantedSubject())
    evidence.sample.activations[0, 1, 2] = torch.nan
    explanations = ContextTree().explain(evidence, PlantedSubject())
    assert [isinstance(one, Failure) for one in explanations] == [row == 2 for row in range(5)]


def test_the_exemplars_of_others_change_nothing():
    subject = PlantedSubject()
    evidence = make_evidence(subject, n_sample=4)
    before = ContextTree().explain(evidence, subject)[0].to_dict()
    evidence.exemplars.activations[1:] += 3
    evidence.exemplars.tokens[1:] = evidence.exemplars.tokens[1:].flip(-1)
    assert ContextTree().explain(evidence, subject)[0].to_dict() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth of context_tree must be a whole number of at least 1, not 0"),
        ({"depth": True}, "depth of context_tree"),
        ({"shrinkage": 0}, "shrinkage of context_tree must be a number above 0"),
        ({"shrinkage": []}, "shrinkage of context_tree"),
        ({"shrinkage": [1, "much"]}, "shrinkage of context_tree"),
        ({"min_count": -1}, "min_count of context_tree must be a number of at least 0"),
        ({"exemplar_weight": float("nan")}, "exemplar_weight of context_tree"),
        ({"least_gain": None}, "least_gain of context_tree"),
        ({"step": 0}, "step of context_tree"),
        ({"max_bytes": 100}, "max_bytes of context_tree must be null or a whole number from 256"),
        ({"max_bytes": 1e3}, "max_bytes of context_tree"),
        ({"evidence": "exemplars+text"}, "evidence of context_tree 'exemplars.text' is not known"),
        (
            {"evidence": "exemplars", "exemplar_weight": 0},
            "exemplar_weight of context_tree must be above 0 with evidence=exemplars",
        ),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(BenchmarkError, match=message):
        ContextTree(**options)


def test_a_damaged_tree_is_refused():
    data = ContextTree().explain(make_evidence(PlantedSubject()), PlantedSubject())[0].to_dict()
    data["levels"][0]["tokens"].pop()
    with pytest.raises(ValueError, match="level 1 has"):
        ContextTreeExplanation.from_dict(data)


def test_a_description_shows_the_contexts_that_explain_most():
    evidence = big_evidence()
    one = ContextTree().explain(evidence, PlantedSubject())[0]
    loaded = ContextTreeExplanation.from_dict(json.loads(json.dumps(one.to_dict())))
    lines = loaded.describe().splitlines()
    shares = [float(line.split("%")[0]) for line in lines[2:] if "%" in line]
    assert len(shares) >= 5
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) > 10
