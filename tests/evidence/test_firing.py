"""Firing thresholds: against a neuron-by-neuron twin, robust to one outlier, one rule for dead."""

from __future__ import annotations

import statistics
from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from benchmark.config.run_config import FIRING_REFERENCES
from benchmark.evidence import NEVER_FIRES, Block, LayerProfile, firing_thresholds
from tests.evidence.test_store import SETTINGS, blocks_of, make_store


def profile_of(peaks: list[list[float]]) -> LayerProfile:
    """A profile with these peaks of exemplars, strongest first; None stands for no exemplar."""
    values = torch.tensor(peaks)
    n, k = values.shape
    contexts = torch.arange(k).expand(n, k).masked_fill(values == -torch.inf, -1)
    zeros = torch.zeros(n)
    return LayerProfile(values[:, 0], zeros, zeros, values, contexts, 99)


def slow_threshold(peaks: list[float], reference: str, fraction: float) -> float:
    """What the documentation says, of one neuron."""
    if max(peaks) <= 0:
        return NEVER_FIRES
    if reference == "maximum":
        return fraction * max(peaks)
    return fraction * statistics.median(peak for peak in peaks if peak > 0)


@settings(max_examples=60, deadline=None)
@given(
    peaks=st.lists(
        st.lists(st.floats(-4, 4, width=32), min_size=5, max_size=5), min_size=1, max_size=6
    ),
    fraction=st.sampled_from([0.1, 0.5, 1.0]),
    missing=st.integers(0, 4),
)
def test_equal_to_what_is_documented_neuron_by_neuron(
    peaks: list[list[float]], fraction: float, missing: int
) -> None:
    found = [sorted(row, reverse=True)[: 5 - missing] for row in peaks]
    profile = profile_of([[*row, *[-torch.inf] * missing] for row in found])
    for reference in FIRING_REFERENCES:
        expected = torch.tensor([slow_threshold(row, reference, fraction) for row in found])
        torch.testing.assert_close(firing_thresholds(profile, reference, fraction), expected)


def test_the_median_is_between_the_two_middle_exemplars_of_an_even_number() -> None:
    profile = profile_of([[8.0, 4.0, 2.0, 1.0]])
    assert firing_thresholds(profile, "median_exemplar", 0.5).tolist() == [1.5]
    assert firing_thresholds(profile, "maximum", 0.5).tolist() == [4.0]


def test_one_outlier_moves_the_maximum_alone() -> None:
    usual, odd = [[5.0, 4.0, 3.0, 2.0, 1.0]], [[500.0, 4.0, 3.0, 2.0, 1.0]]
    for reference, moves in (("median_exemplar", False), ("maximum", True)):
        before, after = (firing_thresholds(profile_of(p), reference, 0.5) for p in (usual, odd))
        assert bool(before != after) == moves


def test_exemplars_on_which_it_is_silent_do_not_count() -> None:
    profile = profile_of([[4.0, 2.0, 0.0, 0.0, -1.0]])
    assert firing_thresholds(profile, "median_exemplar", 0.5).tolist() == [1.5]


@pytest.mark.parametrize("reference", FIRING_REFERENCES)
@pytest.mark.parametrize("largest", [0.0, -0.5])
def test_a_dead_neuron_never_fires(reference: str, largest: float) -> None:
    profile = profile_of([[largest, -0.6, -0.7]])
    threshold = firing_thresholds(profile, reference, 0.5)
    assert threshold.tolist() == [NEVER_FIRES]
    assert not bool((torch.tensor([largest, 0.0, 1e30]) >= threshold).any())


@pytest.mark.parametrize("reference", FIRING_REFERENCES)
def test_the_store_and_the_evidence_have_the_thresholds_of_the_settings(
    tmp_path, reference: str
) -> None:
    store = make_store(
        tmp_path, settings=replace(SETTINGS, firing_reference=reference, exemplars=6)
    )
    for block in blocks_of(0, 1):
        exemplars = store.evidence(block).exemplars
        peaks = exemplars.activations.masked_fill(exemplars.tokens == 0, -torch.inf).amax(-1)
        expected = torch.tensor([slow_threshold(row, reference, 0.5) for row in peaks.tolist()])
        torch.testing.assert_close(store.firing_thresholds(block), expected)
        torch.testing.assert_close(store.evidence(block).firing_threshold, expected)
        for other in FIRING_REFERENCES:
            of_other = [slow_threshold(row, other, 0.5) for row in peaks.tolist()]
            torch.testing.assert_close(
                store.firing_thresholds(block, other), torch.tensor(of_other)
            )


def test_the_reference_changes_nothing_that_is_kept_on_the_disk(tmp_path) -> None:
    make_store(tmp_path).prepare([Block(0, 0, torch.tensor([1, 2]))])
    other = make_store(tmp_path, settings=replace(SETTINGS, firing_reference="maximum"))
    other.prepare([Block(0, 0, torch.tensor([1, 2]))])
    assert other.cache.misses == 0
