"""Reductions of many tokens for a page, against the same found token by token."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from leaderboards.site import similar
from leaderboards.site.reductions import (
    moments,
    scatter_points,
    spectrum,
    take_windows,
    window_starts,
    worst_misses,
)
from leaderboards.site.similar import similar_neurons
from leaderboards.site.tokens import fired_tokens

N, M, LENGTH = 4, 7, 10


@pytest.fixture
def drawn() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    truth = torch.rand(N, M, LENGTH, generator=generator) - 0.1
    prediction = torch.rand(N, M, LENGTH, generator=generator)
    text = torch.rand(M, LENGTH, generator=generator) > 0.2
    threshold = torch.tensor([0.5, 0.7, 5.0, 0.1])
    return truth, prediction, text, threshold


def test_spectrum_counts_every_token_once(drawn: tuple[torch.Tensor, ...]) -> None:
    truth, prediction, text, threshold = drawn
    found = spectrum(truth, prediction, text, threshold, bins=8)
    for neuron in range(N):
        values, predicted = truth[neuron][text].numpy(), prediction[neuron][text].numpy()
        fires = predicted >= threshold[neuron].item()
        edges = np.linspace(found.low[neuron], found.high[neuron], 9)
        for side, chosen in enumerate((~fires, fires)):
            expected, _ = np.histogram(values[chosen], bins=edges)
            assert found.counts[neuron, side].tolist() == expected.tolist()
        assert found.low[neuron] <= threshold[neuron] <= found.high[neuron]
    assert found.counts.sum((1, 2)).tolist() == [int(text.sum())] * N


def test_spectrum_of_a_neuron_that_is_always_zero() -> None:
    nothing = torch.zeros(1, 2, 3)
    largest = torch.tensor([torch.finfo(torch.float32).max])  # the threshold of a dead neuron
    found = spectrum(nothing, nothing, torch.ones(2, 3, dtype=torch.bool), largest)
    assert torch.isfinite(found.high).all()
    assert found.counts.sum() == 6
    assert found.counts[0, 1].sum() == 0


def test_worst_misses_are_the_largest_gaps_one_a_context(drawn: tuple[torch.Tensor, ...]) -> None:
    truth, prediction, text, threshold = drawn
    both = worst_misses(truth, prediction, text, threshold, k=3)
    for sign, found in zip((1, -1), both, strict=True):
        for neuron in range(N):
            limit, gaps, count = threshold[neuron], {}, 0
            for context in range(M):
                for place in range(LENGTH):
                    true, guess = truth[neuron, context, place], prediction[neuron, context, place]
                    wrong = guess >= limit > true if sign == 1 else true >= limit > guess
                    if text[context, place] and wrong:
                        count += 1
                        gap = float(sign * (guess - true))
                        gaps[context] = max(gaps.get(context, (-1.0, 0)), (gap, place))
            expected = sorted(gaps, key=lambda context: -gaps[context][0])[:3]
            shown = [context for context in found.context[neuron].tolist() if context >= 0]
            assert shown == expected
            assert found.count[neuron] == count
            for context, place in zip(shown, found.position[neuron].tolist(), strict=False):
                assert place == gaps[context][1]


def test_scatter_shows_tokens_as_they_are(drawn: tuple[torch.Tensor, ...]) -> None:
    truth, prediction, text, _ = drawn
    points = scatter_points(truth, prediction, text, points=20)
    for neuron in range(N):
        places = points.places[neuron]
        assert len(set(places.tolist())) == 20
        assert text.flatten()[places].all()
        assert torch.equal(truth[neuron].flatten()[places], points.truth[neuron])
        assert torch.equal(prediction[neuron].flatten()[places], points.prediction[neuron])
    everything = scatter_points(truth, prediction, text, points=1000).places
    assert everything.shape == (N, int(text.sum()))


def test_scatter_never_hides_the_few_among_the_many() -> None:
    truth, prediction = torch.zeros(1, 100, 100), torch.zeros(1, 100, 100)
    truth[0, :90] = 0.9 + 0.05 * torch.rand(90, 100)  # thousands fire alike
    prediction[0, :90] = 0.95
    prediction[0, 95, 7] = 0.8  # one false positive
    truth[0, 96, 8] = 1.0  # one that is missed
    text = torch.ones(100, 100, dtype=torch.bool)
    chosen = scatter_points(truth, prediction, text, points=60).places[0].tolist()
    assert {9507, 9608} <= set(chosen)
    assert 10 < sum(place < 9000 for place in chosen) < 50


def test_windows_hold_their_anchor_and_no_bos() -> None:
    for length in (3, 10, 64, 65, 128):
        anchors = torch.arange(1, length)
        starts = window_starts(anchors, length)
        window = take_windows(torch.arange(length).expand(len(anchors), -1), starts)
        assert (window[:, 0] >= 1).all()
        assert (window == anchors[:, None]).any(1).all()
        assert (window.diff(dim=1) == 1).all()


def test_moments_are_those_of_scipy() -> None:
    values = torch.rand(3, 500) ** 4
    found = moments(values)
    data = values.double().numpy()
    assert found.mean.tolist() == pytest.approx(data.mean(1).tolist())
    assert found.standard_deviation.tolist() == pytest.approx(data.std(1).tolist())
    assert found.skewness.tolist() == pytest.approx(scipy.stats.skew(data, axis=1).tolist())
    assert found.excess_kurtosis.tolist() == pytest.approx(
        scipy.stats.kurtosis(data, axis=1).tolist()
    )
    assert torch.isnan(moments(torch.full((1, 9), 0.3)).skewness).all()


def test_similar_neurons_are_the_most_correlated_whatever_the_blocks() -> None:
    generator = np.random.default_rng(0)
    shared = generator.random((3, 60))
    values = np.stack([shared[i % 3] + 0.5 * generator.random(60) for i in range(11)])
    values[4] = 1.0  # flat: like nothing
    keys = [(i // 6, i) for i in range(11)]
    table = np.corrcoef(np.where(np.arange(11)[:, None] == 4, generator.random(60), values))
    table[4] = table[:, 4] = -1
    np.fill_diagonal(table, -1)
    for size in (1, 4, 11):
        parts = [list(range(at, min(at + size, 11))) for at in range(0, 11, size)]
        found = similar_neurons(
            [[keys[i] for i in part] for part in parts],
            lambda block, parts=parts: torch.tensor(values[parts[block]], dtype=torch.float32),
            k=3,
        )
        for i in range(11):
            expected = [j for j in np.argsort(-table[i])[:3] if table[i, j] >= 0.1]
            assert [one.neuron for one in found[keys[i]]] == [keys[j] for j in expected]
            assert [one.correlation for one in found[keys[i]]] == pytest.approx(
                [table[i, j] for j in expected], abs=1e-5
            )


def test_of_many_neurons_correlations_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    shared = generator.random((40, 20_000)) ** 8  # heavy-tailed, as activations are
    noise = generator.random((120, 20_000)) ** 8
    values = torch.tensor(np.repeat(shared, 3, 0) + 0.5 * noise, dtype=torch.float32)
    values[7] = 1.0  # flat: like nothing
    parts = values.split(50)
    keys = [[(0, neuron) for neuron in some.tolist()] for some in torch.arange(120).split(50)]
    exact = similar_neurons(keys, parts.__getitem__, k=2)
    monkeypatch.setattr(similar, "MOST_COMPARED_EXACTLY", 119)
    monkeypatch.setattr(similar, "ROWS_AT_ONCE", 32)
    estimated = similar_neurons(keys, parts.__getitem__, k=2)
    assert list(estimated) == list(exact)
    assert estimated[0, 7] == exact[0, 7] == []
    for key, found in exact.items():
        true = {one.neuron: one.correlation for one in found}
        near = {one.neuron: one.correlation for one in estimated[key]}
        assert set(near) == set(true)
        assert near == pytest.approx(true, abs=0.08)


def test_fired_tokens_are_counted_one_by_one() -> None:
    generator = torch.Generator().manual_seed(1)
    truth = torch.rand(3, 80, generator=generator)
    tokens = torch.randint(40, 46, (80,), generator=generator)
    fires = truth > torch.tensor([0.5, 0.9, 2.0])[:, None]
    found = fired_tokens(truth, fires, tokens, kept=4)
    for neuron in range(3):
        sums: dict[int, list[float]] = {}
        for place in range(80):
            if fires[neuron, place]:
                sums.setdefault(int(tokens[place]), []).append(float(truth[neuron, place]))
        expected = sorted(sums, key=lambda token: -sum(sums[token]))[:4]
        assert [one.token for one in found[neuron]] == expected
        for one in found[neuron]:
            assert one.count == len(sums[one.token])
            assert one.seen == int((tokens == one.token).sum())
            assert one.mean == pytest.approx(np.mean(sums[one.token]))
    assert found[2] == []
