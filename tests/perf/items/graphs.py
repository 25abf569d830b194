"""Neuron graphs: pictures of one, and similar pairs among those of a whole model."""

from __future__ import annotations

import numpy as np

from benchmark.graphs import NeuronGraph, TokenPattern, build_graph, to_svg
from benchmark.graphs.similar import similar_pairs
from tests.perf.comparison import Comparison
from tests.perf.workload import Workload

GRAPHS = 32_768  # the neurons of solu-8l
D_VOCAB = 48_262
ITEMS = 10
DRAWN = 256
THRESHOLD, TOP = 0.9, 20


def draw(workload: Workload) -> Comparison:
    """Make and draw a graph of 12 patterns as SVG, against making it."""
    rng = np.random.default_rng(0)
    patterns = [
        TokenPattern(
            tuple(rng.integers(0, 40, 4).tolist()), (0.9, 0.8, 0.7, 1.0), float(rng.random())
        )
        for _ in range(12)
    ]
    times = min(DRAWN, workload.sizes.neurons)

    def make() -> NeuronGraph:
        return build_graph(patterns, lambda token: f"·token{token}")

    def drawn() -> None:
        for _ in range(times):
            to_svg(make(), "neuron 0.1")

    def made() -> None:
        for _ in range(times):
            make()

    return Comparison(drawn, made, factor=1 / times)


def similar(workload: Workload) -> Comparison:
    """Similar pairs among the graphs of a model of 32,768 neurons, against one sort of items."""
    items = synthetic(GRAPHS * workload.sizes.neurons // 256)
    everything = np.concatenate(items)
    return Comparison(
        lambda: similar_pairs(items, THRESHOLD, TOP),
        lambda: np.unique(everything, return_inverse=True),
    )


def synthetic(n: int) -> list[np.ndarray]:
    """Sets of items, common and rare as words are; one in ten is a copy, one in ten a superset."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, D_VOCAB + 1)
    drawn = rng.choice(D_VOCAB, n * ITEMS, p=weights / weights.sum()).astype(np.int64)
    context = rng.choice(D_VOCAB, n * ITEMS, p=weights / weights.sum()).astype(np.int64)
    found: list[np.ndarray] = []
    for number in range(n):
        own = slice(number * ITEMS, number * ITEMS + int(rng.integers(1, ITEMS + 1)))
        ends = np.resize(drawn[own][:2], len(drawn[own]))
        items = np.unique((ends << 42) | (rng.integers(0, 5) << 21) | context[own])
        kind = rng.random()
        if kind < 0.2 and found:
            other = found[int(rng.integers(len(found)))]
            items = other if kind < 0.1 else np.union1d(other, items[:1])
        found.append(items)
    return found
