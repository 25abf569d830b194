"""Growing and simulating the rules of many neurons against one pass over the activations."""

from __future__ import annotations

import torch

from benchmark.evaluation.simulate import simulate
from explainers.rules import Rules
from tests.perf.comparison import Comparison
from tests.perf.items.context_tree import sampled_evidence
from tests.perf.workload import Workload


def build(workload: Workload) -> Comparison:
    """A block of the last layer, from the text of the corpus."""
    evidence = sampled_evidence(workload)
    activations = evidence.sample.activations if evidence.sample else torch.zeros(0)
    return Comparison(
        measured=lambda: Rules().explain(evidence, workload.subject),
        baseline=lambda: activations.square().sum((0, 1)),
    )


def simulate_block(workload: Workload) -> Comparison:
    """The same rules on other text, as the runner asks for it."""
    evidence, sizes = sampled_evidence(workload), workload.sizes
    explainer = Rules()
    explanations = explainer.explain(evidence, workload.subject)
    length = workload.context_length
    tokens = workload.corpus.splits["held_out"].tokens[: sizes.tokens // length]
    table = torch.randn(sizes.neurons, workload.subject.d_vocab)
    return Comparison(
        measured=lambda: simulate(explainer, explanations, tokens),
        baseline=lambda: torch.index_select(table, 1, tokens.flatten()),
    )
