"""Items are windows of held-out text, of which exactly those called activating fire."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from benchmark.evidence import Truth
from benchmark.evidence.small import SmallSet, first_tokens
from benchmark.scorers.judging.items import NOT_ACTIVATING, QUANTILES, ItemDraw, Items

BOS = 0
LENGTH = 24
SETS = ("uniform", "top")


def make_truth(seed: int, n_contexts: int = 60, n: int = 2) -> Truth:
    """Text with BOS in it; a neuron fires on some of its tokens."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 12, (n_contexts, LENGTH), generator=generator)
    tokens[:, 0] = BOS
    activations = torch.rand(n, n_contexts, LENGTH, generator=generator) ** 20
    activations[tokens.expand(n, -1, -1) == BOS] = 1e6  # no item may rest on it
    uniform = torch.arange(0, n_contexts, 2)
    peaks = activations.masked_fill(tokens == BOS, -1).amax(2)
    top = peaks.topk(8).indices
    rows = torch.arange(0, n_contexts, 5)
    return Truth(
        bos=BOS,
        tokens=tokens,
        uniform=uniform,
        top=top,
        uniform_activations=activations[:, uniform],
        top_activations=activations[torch.arange(n)[:, None], top],
        novel=tokens[uniform] != BOS,
        documents=torch.zeros(len(uniform), LENGTH, dtype=torch.long),
        small=SmallSet(
            rows,
            first_tokens(tokens[rows], BOS, 9),
            activations[:, rows],
            torch.zeros(len(rows), LENGTH, dtype=torch.long),
        ),
    )


def everywhere(truth: Truth, place: int) -> torch.Tensor:
    """The neuron's activations on `truth.tokens`, put together from the sets; NaN elsewhere."""
    found = torch.full(truth.tokens.shape, torch.nan)
    for scoring_set in ("uniform", "uniform_small", "top"):
        if scoring_set == "uniform_small" and truth.small is None:
            continue
        found[truth.rows(scoring_set)[place]] = truth.activations(scoring_set)[place]
    return found


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    window=st.integers(1, 12),
    n=st.integers(1, 40),
    threshold=st.sampled_from([0.05, 0.5, 0.9]),
    sets=st.sampled_from([SETS, ("uniform_small",), ("uniform",)]),
)
def test_items_are_what_they_are_called(
    seed: int, window: int, n: int, threshold: float, sets: tuple[str, ...]
) -> None:
    truth = make_truth(seed)
    for place in range(2):
        items = ItemDraw(truth, sets, window).of(place, threshold, f"3.{place}", n)
        every = everywhere(truth, place)
        allowed = {
            int(row): truth.scored(one)[place if one == "top" else 0][number]
            for one in sets
            for number, row in enumerate(truth.rows(one)[place])
        }
        assert int(items.activating.sum()) <= n
        assert int((~items.activating).sum()) <= n
        for row, start, stop, quantile in zip(
            items.rows, items.starts, items.stops, items.quantiles, strict=True
        ):
            assert 0 < stop - start <= window
            assert allowed[int(row)][start:stop].all()  # scored text: no BOS, no other document
            fires = bool((every[row, start:stop] >= threshold).any())
            assert fires == (quantile != NOT_ACTIVATING)
        for kind in (items.activating, ~items.activating):
            assert len(set(items.rows[kind].tolist())) == kind.sum()
        # All contexts in which it fires are candidates, and nothing else limits their number.
        firing = sum(bool((every[row][text] >= threshold).any()) for row, text in allowed.items())
        assert int(items.activating.sum()) == min(n, firing)


def test_a_window_is_as_long_as_its_document_allows() -> None:
    truth = make_truth(3)
    items = ItemDraw(truth, SETS, 6).of(0, 0.5, "3.400", 30)
    for row, start, stop in zip(items.rows, items.starts, items.stops, strict=True):
        low, high = start, stop
        while truth.tokens[row, low - 1] != BOS:
            low -= 1
        while high < LENGTH and truth.tokens[row, high] != BOS:
            high += 1
        assert stop - start == min(6, high - low)


def test_activating_items_are_spread_over_the_tenths_of_the_peaks() -> None:
    truth = replace(make_truth(4, n_contexts=400), small=None)
    items = ItemDraw(truth, SETS, 8).of(0, 0.05, "0.1", 50)
    every = everywhere(truth, 0)
    peaks = every.masked_fill(truth.tokens == BOS, -1).amax(1)
    firing = np.sort(peaks[~peaks.isnan() & (peaks >= 0.05)].numpy())
    assert np.bincount(items.quantiles[items.activating]).tolist() == [5] * QUANTILES
    own = peaks[torch.from_numpy(items.rows[items.activating])].numpy()
    assert (np.diff(own) >= 0).all()
    assert (np.searchsorted(firing, own) * QUANTILES // len(firing)).tolist() == items.quantiles[
        items.activating
    ].tolist()


def test_the_draw_is_that_of_the_neuron_and_the_text() -> None:
    truth = make_truth(5)
    one = ItemDraw(truth, SETS, 8).of(0, 0.5, "0.1", 20)
    again = ItemDraw(truth, SETS, 8).of(0, 0.5, "0.1", 20)
    other = ItemDraw(truth, SETS, 8).of(0, 0.5, "0.2", 20)
    pairs = zip(vars(one).values(), vars(again).values(), strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)
    assert not np.array_equal(one.starts, other.starts)


def test_the_place_of_the_peak_in_its_window_tells_nothing() -> None:
    """Peaks stand as far into their windows as tokens that were drawn do into theirs."""
    generator = torch.Generator().manual_seed(0)
    truth = make_truth(6, n_contexts=4000)
    tokens = truth.tokens.clamp_min(1)
    tokens[:, 0] = BOS
    activations = torch.zeros(1, 4000, LENGTH)
    peak = torch.randint(8, LENGTH - 8, (4000,), generator=generator)
    activations[0, torch.arange(4000), peak] = 1.0
    rows = torch.arange(4000)
    truth = replace(truth, tokens=tokens, uniform=rows, uniform_activations=activations, small=None)
    items = ItemDraw(truth, ("uniform",), 8).of(0, 0.5, "0.1", 4000)
    firing = items.select(np.flatnonzero(items.activating))
    places = peak.numpy()[firing.rows] - firing.starts
    assert np.bincount(places, minlength=8) == pytest.approx([500] * 8, abs=100)


@pytest.mark.parametrize(("value", "kinds"), [(0.0, {False}), (1.0, {True})])
def test_a_neuron_that_never_or_always_fires_has_items_of_one_kind(
    value: float, kinds: set[bool]
) -> None:
    truth = make_truth(7)
    same = torch.full_like(truth.uniform_activations, value)
    truth = replace(truth, uniform_activations=same)
    items = ItemDraw(truth, ("uniform",), 8).of(0, 0.5, "0.1", 10)
    assert set(items.activating.tolist()) == kinds


def test_text_without_a_token_has_no_item() -> None:
    truth = replace(make_truth(8), sets=("uniform_small",))
    items = ItemDraw(truth, SETS, 8).of(0, 0.5, "0.1", 10)
    assert len(items) == 0
    assert items.maxima(torch.zeros(truth.tokens.shape)).tolist() == []
    assert isinstance(items, Items)
