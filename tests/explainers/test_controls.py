"""The controls do what bounds the scale, no more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.evaluation.simulate import simulate
from benchmark.interface import Failure
from explainers.controls import Mean, Oracle, OracleExplanation, Random, Shuffled, Zero
from explainers.controls.hashing import key_of, mix, prefix_hashes, uniform
from explainers.controls.random_draw import RandomExplanation
from explainers.token_lookup import TokenLookup
from tests.explainers.planted import BOS, PlantedSubject, make_evidence, random_contexts


def test_zero_and_mean_are_constant():
    subject = PlantedSubject()
    evidence = make_evidence(subject)
    tokens = random_contexts(2, 3)
    assert simulate(Zero(), Zero().explain(evidence, subject), tokens).predictions.eq(0).all()
    means = simulate(Mean(), Mean().explain(evidence, subject), tokens).predictions
    assert torch.equal(means, evidence.mean_activation[:, None, None].expand(5, 2, 3))


def test_the_oracle_is_the_truth():
    subject = PlantedSubject()
    evidence = make_evidence(subject, neurons=[4, 0, 2])
    explanations = Oracle().explain(evidence.without_sample(), subject)
    tokens = random_contexts(6, 10, seed=3)
    predictions = simulate(Oracle(), explanations, tokens).predictions
    assert subject.calls == [(1, [4, 0, 2])]
    truth = subject.activations(tokens, 1)[..., [4, 0, 2]].permute(2, 0, 1)
    assert torch.equal(predictions, truth)


def test_the_oracle_asks_each_layer_once():
    subject = PlantedSubject()
    mixed = [OracleExplanation(layer, n, subject) for layer, n in ((2, 1), (0, 3), (2, 5))]
    tokens = random_contexts(2, 4)
    found = Oracle().simulate_block(mixed, tokens)
    assert sorted(subject.calls) == [(0, [3]), (2, [1, 5])]
    for column, one in enumerate(mixed):
        assert torch.equal(found[..., column], one.simulate(tokens))


def test_an_oracle_without_subject_says_so():
    loaded = OracleExplanation.from_dict({"layer": 1, "neuron": 7})
    with pytest.raises(BenchmarkError, match="layer 1, neuron 7 has no subject"):
        simulate(Oracle(), [loaded], random_contexts(1, 2))


# Random


def reference_mix(number: int) -> int:
    """SplitMix64's finaliser in Python's own integers."""
    bits = (1 << 64) - 1
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & bits
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & bits
    return number ^ (number >> 31)


@given(st.integers(0, 2**64 - 1))
def test_mixing_is_that_of_the_source(number):
    signed = number - (1 << 64) if number >= 1 << 63 else number
    assert int(mix(torch.tensor([signed]))) % (1 << 64) == reference_mix(number)


def test_prefix_hashes_see_the_tokens_so_far_and_their_order():
    tokens = torch.tensor([[0, 5, 6, 7], [0, 5, 6, 8], [0, 6, 5, 7], [0, 5, 6, 7]])
    hashes = prefix_hashes(tokens)
    assert torch.equal(hashes[0], hashes[3])
    assert torch.equal(hashes[0, :3], hashes[1, :3])
    assert hashes[0, 3] != hashes[1, 3]
    assert hashes[0, 0] == hashes[2, 0]
    assert (hashes[0, 1:] != hashes[2, 1:]).all()
    bits = (1 << 64) - 1
    total, slow = 0, []
    for position, token in enumerate([0, 5, 6, 7]):
        placed = reference_mix((token * 0x9E3779B97F4A7C15 + 1) & bits) + position
        total = (total + reference_mix(placed & bits)) & bits
        slow.append(reference_mix(total))
    assert [int(found) % (1 << 64) for found in hashes[0]] == slow


def test_draws_are_uniform():
    tokens = torch.randint(0, 50, (200, 100), generator=torch.Generator().manual_seed(0))
    drawn = uniform(prefix_hashes(tokens), torch.tensor(key_of(1, 2, 3))).flatten()
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = torch.histc(drawn, bins=20, min=0, max=1)
    assert (counts - 1000).abs().max() < 160  # five standard deviations


def test_random_has_the_distribution_of_the_neuron_and_no_information():
    subject = PlantedSubject()
    evidence = make_evidence(subject, n_sample=400, n_explain=400, ctx=32)
    explanations = Random().explain(evidence, subject)
    tokens = random_contexts(300, 32, seed=9)
    predictions = simulate(Random(), explanations, tokens).predictions
    truth = subject.activations(tokens, 1, evidence.neurons).permute(2, 0, 1)
    text = tokens != BOS
    for one, true in zip(predictions, truth, strict=True):
        values = np.sort(true[text])
        shares = [np.searchsorted(np.sort(some[text]), values) / text.sum() for some in (one, true)]
        assert np.abs(shares[0] - shares[1]).max() < 0.08
        assert abs(np.corrcoef(one[text], true[text])[0, 1]) < 0.06
    assert abs(np.corrcoef(predictions[0][text], predictions[1][text])[0, 1]) < 0.06


def test_another_seed_layer_or_neuron_draws_differently():
    quantiles = torch.linspace(0, 1, 65)
    tokens = random_contexts(4, 20)
    draws = [
        RandomExplanation(seed, layer, neuron, quantiles).simulate(tokens)
        for seed, layer, neuron in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    for row, one in enumerate(draws):
        for other in draws[row + 1 :]:
            assert (one == other).float().mean() < 0.01


def test_random_without_sample_draws_from_the_exemplars():
    subject = PlantedSubject()
    evidence = make_evidence(subject)
    explanations = Random().explain(evidence.without_sample(), subject)
    for row, one in enumerate(explanations):
        text = evidence.exemplars.tokens[row] != BOS
        seen = evidence.exemplars.activations[row][text]
        assert one.quantiles[0] == seen.min()
        assert one.quantiles[-1] == seen.max()


def test_random_levels_stand_where_they_are_drawn():
    """A draw at a quantile's level is that quantile: the two formulas are each other's inverse."""
    evidence = make_evidence(PlantedSubject(), n_sample=30)
    one = Random().explain(evidence, PlantedSubject())[0]
    text = evidence.sample.tokens != BOS
    seen = evidence.sample.activations[..., 0][text].numpy()
    for step, found in enumerate(one.quantiles.tolist()):
        level = 1 - (1 - step / 64) ** 4
        assert found == pytest.approx(np.quantile(seen, level), abs=1e-6)


def test_activations_that_are_not_finite_fail_their_neuron():
    subject = PlantedSubject()
    evidence = make_evidence(subject)
    context, position = (evidence.sample.tokens != BOS).nonzero()[7].tolist()
    evidence.sample.activations[context, position, 3] = torch.nan
    for explainer in (Random(), TokenLookup()):
        results = explainer.explain(evidence, subject)
        assert [isinstance(one, Failure) for one in results] == [False] * 3 + [True, False]


# Shuffled


class Named:
    """An inner explainer whose explanations say whose they are."""

    evidence = "exemplars"

    class Explanation:
        def __init__(self, neuron):
            self.neuron = neuron

        def simulate(self, tokens):
            return torch.full(tokens.shape, float(self.neuron))

        def describe(self):
            return f"neuron {self.neuron}"

        def to_dict(self):
            return {"mine": self.neuron}

        @classmethod
        def from_dict(cls, data):
            return cls(data["mine"])

    explanation_class = Explanation

    def __init__(self, failing=(), broken=()):
        self.failing, self.broken = failing, broken

    def explain(self, evidence, subject):
        if set(evidence.neurons.tolist()) & set(self.broken):
            raise RuntimeError("no")
        return [
            Failure(f"cannot explain {neuron}")
            if neuron in self.failing
            else self.Explanation(neuron)
            for neuron in evidence.neurons.tolist()
        ]


def test_every_neuron_has_another_ones_explanation_scaled():
    subject = PlantedSubject()
    evidence = make_evidence(subject)
    shuffled = Shuffled(Named())
    explanations = shuffled.explain(evidence, subject)
    donors = [one.donor for one in explanations]
    assert sorted(donors) == [0, 1, 2, 3, 4]
    assert all(donor != neuron for neuron, donor in enumerate(donors))
    for neuron, one in enumerate(explanations):
        assert one.inner.neuron == one.donor
        ratio = evidence.max_activation[neuron] / evidence.max_activation[one.donor]
        assert one.scale == pytest.approx(float(ratio), rel=1e-6)
        assert one.simulate(torch.zeros(1, 1)).item() == pytest.approx(one.donor * float(ratio))
        assert f"neuron {one.donor}" in one.describe()
        loaded = shuffled.explanation_class.from_dict(one.to_dict())
        assert isinstance(loaded.inner, Named.Explanation)


@given(st.sets(st.integers(0, 10_000), min_size=2, max_size=40), st.integers(0, 5))
def test_shuffling_is_a_derangement_for_any_block_and_seed(neurons, seed):
    neurons = sorted(neurons)
    n = len(neurons)
    subject = PlantedSubject()
    evidence = make_evidence(subject).select(torch.zeros(n, dtype=torch.long))
    object.__setattr__(evidence, "neurons", torch.tensor(neurons))
    donors = [one.donor for one in Shuffled(Named(), seed).explain(evidence, subject)]
    assert sorted(donors) == neurons
    assert all(donor != neuron for neuron, donor in zip(neurons, donors, strict=True))


def test_another_seed_shuffles_differently():
    subject = PlantedSubject()
    evidence = make_evidence(subject)
    found = {
        tuple(one.donor for one in Shuffled(Named(), seed).explain(evidence, subject))
        for seed in range(10)
    }
    assert len(found) > 3


def test_a_block_of_one_neuron_cannot_be_shuffled():
    subject = PlantedSubject()
    (failure,) = Shuffled().explain(make_evidence(subject, neurons=[3]), subject)
    assert isinstance(failure, Failure)
    assert "blocks of at least two neurons" in failure.error


@pytest.mark.parametrize(
    ("inner", "error"),
    [(Named(failing=[1]), "cannot explain 1"), (Named(broken=[1]), "RuntimeError: no")],
)
def test_what_the_inner_explainer_cannot_do_stays_a_failure(inner, error):
    subject = PlantedSubject()
    explanations = Shuffled(inner).explain(make_evidence(subject), subject)
    assert isinstance(explanations[1], Failure)
    assert explanations[1].error == error
    rest = [one for neuron, one in enumerate(explanations) if neuron != 1]
    assert sorted(one.donor for one in rest) == [0, 2, 3, 4]


def test_the_only_explained_neuron_has_nothing_to_borrow():
    subject = PlantedSubject()
    explanations = Shuffled(Named(failing=[0, 1, 2, 4])).explain(make_evidence(subject), subject)
    assert "no other neuron" in explanations[3].error


def test_a_shuffled_oracle_gets_its_subject():
    subject = PlantedSubject()
    shuffled = Shuffled(Oracle())
    one = shuffled.explain(make_evidence(subject), subject)[0]
    loaded = shuffled.explanation_class.from_dict(one.to_dict())
    loaded.bind(subject)
    tokens = random_contexts(2, 3)
    assert torch.equal(loaded.simulate(tokens), one.simulate(tokens))


def test_evidence_is_that_of_the_inner_explainer():
    assert Shuffled().evidence == "exemplars+sample"
    assert Shuffled(TokenLookup(evidence="exemplars")).evidence == "exemplars"
