"""Divergence and loss of next-token distributions, against SciPy and torch."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.spatial.distance import jensenshannon

from benchmark.scorers.causal import divergence
from benchmark.scorers.causal.divergence import (
    Reference,
    cross_entropy,
    jensen_shannon,
    log_probabilities,
)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.1, 1.0, 5.0, 40.0]),
    change=st.sampled_from([0.05, 1.0, 30.0]),
)
def test_equal_to_scipy(seed: int, spread: float, change: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    one = torch.randn(6, 50, generator=generator) * spread
    other = one + torch.randn(6, 50, generator=generator) * change
    found = jensen_shannon(log_probabilities(one), log_probabilities(other))
    exact = (logits.double().softmax(-1).numpy() for logits in (one, other))
    expected = np.array([jensenshannon(p, q) ** 2 for p, q in zip(*exact, strict=True)])
    np.testing.assert_allclose(found.numpy(), np.nan_to_num(expected), rtol=1e-3, atol=1e-9)


def test_bounds_symmetry_and_the_exact_zero() -> None:
    logits = torch.randn(3, 4, 30)
    p, q = log_probabilities(logits), log_probabilities(torch.randn(3, 4, 30))
    assert (jensen_shannon(p, p) == 0).all()
    torch.testing.assert_close(jensen_shannon(p, q), jensen_shannon(q, p))
    assert (jensen_shannon(p, q) > 0).all()
    apart = torch.tensor([[0.0, -1e4]]), torch.tensor([[-1e4, 0.0]])
    found = jensen_shannon(*(log_probabilities(one) for one in apart))
    assert float(found) == pytest.approx(math.log(2))


def test_tiny_changes_are_told_from_rounding() -> None:
    """The textbook formula in float32 is off by more than the whole value here."""
    logits = torch.randn(200, 4000, dtype=torch.float64)
    changed = logits + 1e-4 * torch.randn(200, 4000, dtype=torch.float64)
    p, q = logits.log_softmax(-1), changed.log_softmax(-1)
    m = ((p.exp() + q.exp()) / 2).log()
    exact = (0.5 * (p.exp() * (p - m) + q.exp() * (q - m)).sum(-1)).mean()
    found = jensen_shannon(log_probabilities(logits.float()), log_probabilities(changed.float()))
    assert float(found.mean()) == pytest.approx(float(exact), rel=2e-3)


@pytest.mark.parametrize("at_once", [1, 40, 10**6])
def test_sums_over_scored_positions(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(divergence, "CPU_LOGITS", at_once)
    tokens = torch.randint(9, (3, 5))
    scored = torch.rand(3, 5) < 0.6
    logits, changed = torch.randn(3, 5, 9), torch.randn(4, 5, 9)
    reference = Reference(tokens, scored, log_probabilities(logits))
    rows = torch.tensor([2, 0, 0, 1])
    found = reference.divergence(rows, changed)
    counts = torch.rand(4, 5) < 0.6
    counts[:, -1] = False
    losses = cross_entropy(tokens[rows], counts, changed)
    for place, row in enumerate(rows.tolist()):
        p, q = logits[row].softmax(-1).numpy(), changed[place].softmax(-1).numpy()
        expected = sum(
            float(jensenshannon(p[at], q[at])) ** 2 for at in range(5) if bool(scored[row, at])
        )
        assert float(found[place]) == pytest.approx(expected, rel=1e-4, abs=1e-7)
        loss = sum(
            float(torch.nn.functional.cross_entropy(changed[place, at], tokens[row, at + 1]))
            for at in range(4)
            if bool(counts[place, at])
        )
        assert float(losses[place]) == pytest.approx(loss, rel=1e-5)
