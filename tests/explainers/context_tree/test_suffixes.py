"""The shape and the statistics against dictionaries."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from explainers.context_tree.matching import Text
from explainers.context_tree.statistics import observe, observed_suffixes, spreads, statistics
from explainers.context_tree.suffixes import find_suffixes
from explainers.context_tree.summary import matching
from tests.explainers.context_tree.slow import runs_at, slow_statistics
from tests.explainers.planted import BOS, PlantedSubject, make_evidence, random_contexts


def runs_in(shape):
    """The run of every node, level by level."""
    levels, above = [], [()]
    for level in shape.levels:
        pairs = zip(level.parents.tolist(), level.tokens.tolist(), strict=True)
        above = [(*above[parent], token) for parent, token in pairs]
        levels.append(above)
    return levels


@given(seed=st.integers(0, 50), n=st.integers(1, 4), ctx=st.integers(1, 9), depth=st.integers(1, 6))
def test_every_run_is_a_node_and_every_position_knows_its_longest(seed, n, ctx, depth):
    tokens = random_contexts(n, ctx, seed)
    shape = find_suffixes(tokens, depth)
    levels = runs_in(shape)
    flat = [run for level in levels for run in level]
    expected = {
        run for row in tokens.tolist() for at in range(ctx) for run in runs_at(row, at, depth)
    }
    assert set(flat) == expected
    assert len(flat) == len(expected)
    for level in levels:  # a node stands by its parent's place, then by its token
        assert level == sorted(level, key=lambda run: tuple(run))
    longest = [runs_at(row, at, depth)[-1] for row in tokens.tolist() for at in range(ctx)]
    assert [flat[node] for node in shape.deepest.tolist()] == longest


@given(
    seed=st.integers(0, 50),
    k=st.integers(1, 4),
    n_sample=st.integers(1, 8),
    depth=st.integers(1, 5),
    weight=st.sampled_from([0.0, 0.25, 1.0]),
)
def test_counts_and_sums_are_those_of_a_loop(seed, k, n_sample, depth, weight):
    evidence = make_evidence(PlantedSubject(), seed=seed, k=k, n_sample=n_sample)
    seen = observe(evidence, weight > 0)
    shape = observed_suffixes(seen, depth)
    found = statistics(shape, seen, slice(0, evidence.n_neurons), weight)
    runs = [run for level in runs_in(shape) for run in level]
    tables = [slow_statistics(evidence, row, depth, weight) for row in range(evidence.n_neurons)]
    for row, table in enumerate(tables):
        centre = float(evidence.mean_activation[row])
        for node, run in enumerate(runs):
            count, total = table.get(run, (0.0, 0.0))
            assert abs(float(found.counts[node, row]) - count) < 1e-5
            assert abs(float(found.sums[node, row]) - total + centre * count) < 1e-3
    # A run is left out only where the one without its earliest token was seen once.
    ends = Counter(
        run
        for context in torch.unique(seen.tokens, dim=0).tolist()
        for at, token in enumerate(context)
        if token != BOS
        for run in runs_at(context, at, depth)
    )
    left_out = {run for table in tables for run in table if run} - set(runs)
    assert all(ends[run[:-1]] == 1 for run in left_out)


def test_some_neurons_of_a_block_have_the_statistics_that_they_have_in_it():
    evidence = make_evidence(PlantedSubject())
    seen = observe(evidence)
    shape = observed_suffixes(seen, 3)
    whole = statistics(shape, seen, slice(0, 5), 0.3)
    part = statistics(shape, seen, slice(2, 4), 0.3)
    assert torch.equal(whole.counts[:, 2:4], part.counts)
    assert torch.equal(whole.sums[:, 2:4], part.sums)
    assert torch.equal(spreads(seen, slice(0, 5))[2:4], spreads(seen, slice(2, 4)))


def test_the_spread_is_the_standard_deviation():
    evidence = make_evidence(PlantedSubject(), n_sample=30, n_explain=30)
    text = evidence.sample.activations[evidence.sample.tokens != BOS]
    found = spreads(observe(evidence), slice(0, 5))
    assert torch.allclose(found, text.std(0, correction=0), rtol=1e-4)


@given(seed=st.integers(0, 30), wild=st.integers(0, 7), row=st.integers(0, 3))
def test_a_context_with_wildcards_stands_for_all_runs_that_fit(seed, wild, row):
    tokens = random_contexts(4, 8, seed)
    shape = find_suffixes(tokens, 4)
    asked = runs_at(tokens[row].tolist(), 5, 4)[-1]
    asked = [-1 if wild >> place & 1 else token for place, token in enumerate(asked)]
    fitting = [
        node
        for node, run in enumerate(runs_in(shape)[3])
        if all(want in (-1, token) for want, token in zip(asked, run, strict=True))
    ]
    assert matching(shape, asked).tolist() == fitting


def test_no_context_and_no_token_have_no_runs():
    assert find_suffixes(torch.zeros(0, 4, dtype=torch.long), 3).levels == []
    assert Text(torch.zeros(2, 0, dtype=torch.long), 3).values([]).shape == (0,)
