"""All items, in the order of the table."""

from __future__ import annotations

from functools import partial

from explainers.context_tree import ContextTree
from explainers.rules import Rules
from tests.perf.item import Item, Target
from tests.perf.items import (
    evidence,
    graphs,
    large_runs,
    memory,
    metrics,
    n2g,
    sampled,
    token_lookup,
    tokenise,
)

ITEMS = (
    Item(
        "evidence",
        "evidence pass, all neurons of all layers",
        evidence.all_layers,
        Target(1.25, ratio=True),
        rounds=9,
    ),
    Item(
        "evidence-first-layer",
        "evidence pass, all neurons of the first layer",
        evidence.first_layer,
        Target(1.25, ratio=True),
        rounds=9,
    ),
    Item(
        "metrics",
        "the default metrics, 256 neurons × 128k tokens",
        metrics.standard,
        Target(15),
        rounds=3,
    ),
    Item(
        "metrics-all",
        "every metric there is, 256 neurons × 128k tokens",
        metrics.everything,
        Target(15),
        rounds=3,
    ),
    Item(
        "token-lookup",
        "simulate 256 token lookups, 128k tokens",
        token_lookup.simulate_block,
        Target(5),
    ),
    Item(
        "n2g",
        "N2G, a neuron, against one exemplar at a time",
        n2g.seconds,
        Target(0.1, ratio=True),
        rounds=1,
        warm_up=False,
    ),
    Item(
        "n2g-strong",
        "N2G, a neuron, against a loop over strong exemplars",
        n2g.seconds_strong,
        rounds=1,
        warm_up=False,
    ),
    Item(
        "n2g-tokens",
        "N2G, subject tokens a neuron, against the same",
        n2g.tokens,
        Target(3000),
        rounds=1,
        warm_up=False,
    ),
    Item(
        "n2g-calls",
        "N2G, forward passes a neuron, against the same",
        n2g.calls,
        Target(0.5),
        rounds=1,
        warm_up=False,
    ),
    Item(
        "n2g-augment",
        "N2G, tokens with substitutes, against without",
        n2g.augmentation,
        Target(3, ratio=True),
        rounds=1,
        warm_up=False,
    ),
    Item(
        "n2g-simulate",
        "simulate 256 tries, 128k tokens",
        n2g.simulate_block,
        Target(2),
    ),
    Item(
        "graphs",
        "a neuron graph as SVG, against making it",
        graphs.draw,
        Target(0.1),
        rounds=3,
    ),
    Item(
        "similar",
        "similar pairs among 32,768 graphs",
        graphs.similar,
        Target(10),
        rounds=3,
    ),
    Item(
        "large-run",
        "open a run of 32,768 neurons and read one, against a run of 256",
        large_runs.one_neuron,
        Target(1),
        rounds=3,
    ),
    Item(
        "context-tree",
        "grow 256 context trees from 256k tokens",
        partial(sampled.build, ContextTree()),
        Target(20),
        rounds=3,
    ),
    Item(
        "context-tree-simulate",
        "simulate 256 context trees, 128k tokens",
        partial(sampled.simulate_block, ContextTree()),
        Target(5),
        rounds=3,
    ),
    Item(
        "rules",
        "grow the rules of 256 neurons from 256k tokens",
        partial(sampled.build, Rules()),
        Target(30),
        rounds=3,
    ),
    Item(
        "rules-simulate",
        "simulate the rules of 256 neurons, 128k tokens",
        partial(sampled.simulate_block, Rules()),
        Target(3),
        rounds=3,
    ),
    Item(
        "tokenise",
        "tokenise 13 MB",
        tokenise.standard_library,
        Target(10),
        rounds=3,
    ),
    Item(
        "memory",
        "peak memory of a run on all layers",
        memory.whole_run,
        Target(2),
        rounds=1,
        warm_up=False,
    ),
)
