"""Explaining a block and simulating its explanations against one pass over the activations."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmark.evaluation.simulate import simulate
from benchmark.interface import Evidence, Explainer, Sample
from tests.perf.comparison import Comparison
from tests.perf.workload import Workload

# Twice as many tokens are looked at as are simulated.
SAMPLED = 2


def build(explainer: Explainer, workload: Workload) -> Comparison:
    """A block of the last layer, from the text of the corpus."""
    evidence = sampled_evidence(workload)
    activations = evidence.sample.activations if evidence.sample else torch.zeros(0)
    return Comparison(
        measured=lambda: explainer.explain(evidence, workload.subject),
        baseline=lambda: activations.square().sum((0, 1)),
    )


def simulate_block(explainer: Explainer, workload: Workload) -> Comparison:
    """The same explanations on other text, as the runner asks for it."""
    evidence, sizes = sampled_evidence(workload), workload.sizes
    explanations = explainer.explain(evidence, workload.subject)
    length = workload.context_length
    tokens = workload.corpus.splits["held_out"].tokens[: sizes.tokens // length]
    table = torch.randn(sizes.neurons, workload.subject.d_vocab)
    return Comparison(
        measured=lambda: simulate(explainer, explanations, tokens),
        baseline=lambda: torch.index_select(table, 1, tokens.flatten()),
    )


def sampled_evidence(workload: Workload) -> Evidence:
    """The last block with a sample of so many tokens."""
    evidence = workload.evidence[-1]
    n_contexts = SAMPLED * workload.sizes.tokens // workload.context_length
    tokens = workload.corpus.splits["explain"].tokens[:n_contexts]
    with torch.no_grad():
        parts = [
            workload.subject.activations(part, evidence.layer, evidence.neurons)
            for part in tokens.split(64)
        ]
    return replace(evidence, sample=Sample(tokens, torch.cat(parts)))
