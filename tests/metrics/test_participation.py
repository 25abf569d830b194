"""Effective number of tokens: against a loop, and what it is for activations that are known."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

import metrics
from metrics import MetricInputError


def by_loop(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    squares = [(value - mean) ** 2 for value in values]
    return math.fsum(squares) ** 2 / math.fsum(square**2 for square in squares)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 40), power=st.integers(1, 5))
def test_equal_to_a_loop(seed: int, n: int, power: int) -> None:
    truth = torch.randn(3, n, generator=torch.Generator().manual_seed(seed)) ** power
    expected = [by_loop(row.double().tolist()) for row in truth]
    found = metrics.effective_tokens(truth)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert bool(((found >= 1 - 1e-9) & (found <= n + 1e-9)).all())


@pytest.mark.parametrize("spikes", [1, 7])
def test_a_rare_neuron_has_as_many_as_it_has_equal_spikes(spikes: int) -> None:
    truth = torch.zeros(1, 1_000_000)
    truth[0, :spikes] = 3.0
    assert float(metrics.effective_tokens(truth)[0]) == pytest.approx(spikes, rel=1e-4)


def test_all_tokens_count_where_all_deviate_alike() -> None:
    truth = torch.tensor([[1.0, -1.0] * 50])
    assert float(metrics.effective_tokens(truth)[0]) == pytest.approx(100)


def test_units_do_not_matter_and_a_constant_has_none() -> None:
    truth = torch.rand(1, 50, generator=torch.Generator().manual_seed(1))
    for scale in (1e-30, 1e30):
        torch.testing.assert_close(
            metrics.effective_tokens(truth * scale), metrics.effective_tokens(truth)
        )
    assert math.isnan(float(metrics.effective_tokens(torch.full((1, 9), 0.1))[0]))


def test_no_token_is_refused() -> None:
    with pytest.raises(MetricInputError, match="with a token"):
        metrics.effective_tokens(torch.zeros(2, 0))
