"""Contexts of the sample beside the exemplars: against a loop, and where there are few."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.interface import EXEMPLARS, EXEMPLARS_AND_SAMPLE
from explainers.evidence_option import checked_evidence, chosen_sample
from explainers.sample_contexts import learnt_contexts, spread
from tests.explainers.planted import BOS, PlantedSubject, make_evidence


def slow_spread(peaks, maximum, count):
    """From part to part, strongest first: an equal share of what is left, evenly by strength."""
    parts = [[] for _ in range(10)]
    for at in sorted(range(len(peaks)), key=lambda at: (-peaks[at], at)):
        part = math.ceil(peaks[at] / maximum * 10) - 1 if maximum > 0 else 0
        parts[min(max(part, 0), 9)].append(at)
    chosen = []
    for number in range(9, -1, -1):
        members = parts[number]
        share = min(len(members), math.ceil((count - len(chosen)) / (number + 1)))
        if share == 1:
            chosen.append(members[0])
        elif share:
            step = (len(members) - 1) / (share - 1)
            chosen += [members[round(step * place)] for place in range(share)]
    order = [at for part in parts[::-1] for at in part]
    rest = [at for at in order if at not in chosen]
    return sorted(chosen + rest[: count - len(chosen)])


@given(
    peaks=st.lists(st.integers(-3, 20).map(lambda number: number / 2), min_size=1, max_size=60),
    maximum=st.sampled_from([0.0, 7.3, 10.0]),
    data=st.data(),
)
def test_contexts_are_spread_over_the_range_as_by_the_loop(peaks, maximum, data):
    count = data.draw(st.integers(1, len(peaks)))
    found = spread(np.array(peaks), np.ones(len(peaks), dtype=bool), maximum, count)
    assert sorted(found.tolist()) == slow_spread(peaks, maximum, count)


def test_what_is_taken_already_is_never_chosen():
    peaks = np.arange(12.0)
    free = peaks % 2 == 0
    assert sorted(spread(peaks, free, 11.0, 6).tolist()) == [0, 2, 4, 6, 8, 10]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 40), k=st.integers(1, 4), n_sample=st.integers(1, 14))
def test_the_contexts_are_exemplars_and_as_many_of_the_sample(seed, k, n_sample):
    evidence = make_evidence(PlantedSubject(), seed=seed, k=k, n_sample=n_sample)
    before = evidence.exemplars.tokens.clone()
    found = learnt_contexts(evidence, EXEMPLARS_AND_SAMPLE, "method")
    assert torch.equal(evidence.exemplars.tokens, before)
    sample = [tuple(row) for row in evidence.sample.tokens.tolist()]
    count = min(k, max(0, n_sample - k))
    for row in range(evidence.n_neurons):
        own = [tuple(tokens) for tokens in before[row].tolist()]
        contexts = [tuple(tokens) for tokens in found.exemplars.tokens[row].tolist()]
        assert len(contexts) == k + count
        added = list(contexts)
        for one in own:
            added.remove(one)
        assert all(one in sample and one not in own for one in added)
        peaks = []
        for tokens, activations, anchor in zip(
            contexts,
            found.exemplars.activations[row].tolist(),
            found.exemplars.anchors[row].tolist(),
            strict=True,
        ):
            text = [at for at, token in enumerate(tokens) if token != BOS]
            assert activations[anchor] == max(activations[at] for at in text)
            assert anchor in text
            if tokens in sample:
                column = evidence.sample.activations[sample.index(tokens), :, row]
                assert activations == column.tolist()
            peaks.append(activations[anchor])
        assert peaks == sorted(peaks, reverse=True)
        (alone,) = [learnt_contexts(evidence.select(torch.tensor([row])), EXEMPLARS_AND_SAMPLE, "")]
        assert torch.equal(alone.exemplars.tokens[0], found.exemplars.tokens[row])


def test_without_the_sample_the_exemplars_are_all():
    evidence = make_evidence(PlantedSubject())
    assert learnt_contexts(evidence, EXEMPLARS, "method") is evidence
    assert chosen_sample(evidence, EXEMPLARS, "method") is None
    assert chosen_sample(evidence, "exemplars+sample+text", "method") is evidence.sample
    with pytest.raises(BenchmarkError, match=r"needs the sample .*; use evidence=exemplars\+text"):
        chosen_sample(evidence.without_sample(), "exemplars+sample+text", "method")


def test_activations_that_are_not_finite_break_no_other_neuron():
    evidence = make_evidence(PlantedSubject(), n_sample=12)
    before = learnt_contexts(evidence, EXEMPLARS_AND_SAMPLE, "method").exemplars
    evidence.sample.activations[..., 2] = torch.nan
    after = learnt_contexts(evidence, EXEMPLARS_AND_SAMPLE, "method").exemplars
    others = torch.tensor([0, 1, 3, 4])
    assert torch.equal(after.tokens[others], before.tokens[others])


def test_no_exemplars_get_no_company():
    evidence = make_evidence(PlantedSubject(), k=2)
    own = evidence.exemplars
    none = dataclasses.replace(
        own,
        tokens=own.tokens[:, :0],
        activations=own.activations[:, :0],
        anchors=own.anchors[:, :0],
    )
    evidence = dataclasses.replace(evidence, exemplars=none)
    assert learnt_contexts(evidence, EXEMPLARS_AND_SAMPLE, "method") is evidence


@pytest.mark.parametrize("kind", ["sample", "exemplars+text", None, 3])
def test_a_kind_that_cannot_be_is_refused(kind):
    with pytest.raises(BenchmarkError, match=r"evidence of method .* is not known"):
        checked_evidence(kind, "method")
