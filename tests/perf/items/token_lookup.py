"""Simulating many token lookups against a bare look-up in a table."""

from __future__ import annotations

import torch

from benchmark.evaluation.simulate import simulate
from explainers.token_lookup import TokenLookup, TokenLookupExplanation
from tests.perf.comparison import Comparison
from tests.perf.workload import Workload

SHARE_SEEN = 0.8


def simulate_block(workload: Workload) -> Comparison:
    """A block of neurons, each with a mean for most token ids, as the runner asks for it."""
    subject, sizes = workload.subject, workload.sizes
    generator = torch.Generator().manual_seed(0)
    length = workload.context_length
    shape = (sizes.tokens // length, length)
    tokens = torch.randint(0, subject.d_vocab, shape, generator=generator)
    explanations = [_explanation(subject.d_vocab, generator) for _ in range(sizes.neurons)]
    explainer = TokenLookup()
    table = torch.randn(sizes.neurons, subject.d_vocab, generator=generator)
    return Comparison(
        measured=lambda: simulate(explainer, explanations, tokens),
        baseline=lambda: torch.index_select(table, 1, tokens.flatten()),
    )


def _explanation(d_vocab: int, generator: torch.Generator) -> TokenLookupExplanation:
    ids = torch.nonzero(torch.rand(d_vocab, generator=generator) < SHARE_SEEN)[:, 0]
    return TokenLookupExplanation(ids, torch.randn(len(ids), generator=generator), 0.0)
