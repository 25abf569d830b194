"""The joint walk over flat arrays against a matcher that tries every path at every token."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from explainers.n2g import N2G, N2GExplanation
from explainers.n2g.simulate import simulate_tries, winners
from explainers.n2g.trie import ANY, Path
from tests.perf.slow_n2g import search

IDS = st.integers(0, 4)


@st.composite
def tries(draw):
    """A few neurons with distinct paths; few ids, so that much matches."""
    shape = st.lists(st.one_of(IDS, st.just(ANY)), max_size=3)
    neurons = []
    for _ in range(draw(st.integers(1, 4))):
        found = {}
        for _ in range(draw(st.integers(0, 7))):
            path = [draw(IDS)]
            if draw(st.booleans()):
                path += [*draw(shape), draw(IDS)]
            found[tuple(path)] = draw(st.integers(1, 20)) / 20
        neurons.append(
            tuple(Path(path, (1.0,) * len(path), value, 1) for path, value in found.items())
        )
    return neurons


def matches(path, context, place):
    """Token by token, backwards."""
    if place - len(path) + 1 < 0:
        return False
    return all(token in (ANY, context[place - back]) for back, token in enumerate(path))


def brute_force(paths, context, place):
    """The index of the winning path, None if nothing matches."""
    best = None
    for number, path in enumerate(paths):
        if matches(path.tokens, context, place):
            literal = [token != ANY for token in path.tokens]
            key = (len(literal), sum(literal), literal)
            if best is None or key > best[0]:
                best = (key, number)
    return None if best is None else best[1]


CONTEXTS = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 6), min_size=6, max_size=6), min_size=n, max_size=n)
)


@given(neurons=tries(), contexts=CONTEXTS)
def test_literal_children_hide_wildcards_of_their_own_neuron_alone(neurons, contexts):
    tokens = np.array(contexts)
    rules = ["literal" if row % 2 else "longest" for row in range(len(neurons))][::-1]
    found = simulate_tries(neurons, [1.0] * len(neurons), [0.25] * len(neurons), tokens, rules)
    decided = winners(neurons, tokens, rules)
    numbers = [(row, path) for row, paths in enumerate(neurons) for path in paths]
    for row, (paths, rule) in enumerate(zip(neurons, rules, strict=True)):
        values = {path.tokens: path.activation for path in paths}
        for context in range(len(contexts)):
            for place in range(tokens.shape[1]):
                before = contexts[context][: place + 1]
                winner = brute_force(paths, contexts[context], place)
                expected = 0.25 if winner is None else paths[winner].activation
                if rule == "literal":
                    expected = search(values, before, 0.25)
                assert found[row, context, place] == np.float32(expected)
                number = decided[row, context, place]
                if number >= 0:
                    assert numbers[number][0] == row
                    assert np.float32(numbers[number][1].activation) == np.float32(expected)


@given(neurons=tries(), contexts=CONTEXTS, default=st.sampled_from([0.0, 0.25]))
def test_the_walk_is_the_slow_matcher(neurons, contexts, default):
    maxima = [1.5 + column for column in range(len(neurons))]
    tokens = np.array(contexts)
    found = simulate_tries(neurons, maxima, [default] * len(neurons), tokens)
    decided = winners(neurons, tokens)
    first = 0
    for column, (paths, maximum) in enumerate(zip(neurons, maxima, strict=True)):
        for row, context in enumerate(contexts):
            for place in range(len(context)):
                number = brute_force(paths, context, place)
                value = default if number is None else paths[number].activation
                assert found[column, row, place] == np.float32(value) * np.float32(maximum)
                winner = decided[column, row, place]
                assert winner == (-1 if number is None else first + number)
        first += len(paths)


@given(neurons=tries(), contexts=CONTEXTS)
def test_together_and_one_by_one_are_the_same_to_the_last_bit(neurons, contexts):
    tokens = torch.tensor(contexts)
    ones = [N2GExplanation(0.7 + at, paths) for at, paths in enumerate(neurons)]
    together = N2G().simulate_block(ones, tokens)
    for column, one in enumerate(ones):
        assert torch.equal(together[..., column], one.simulate(tokens))


def test_a_path_never_reaches_into_another_context():
    paths = (Path((3, 2), (1.0, 1.0), 1.0, 1),)
    found = simulate_tries([paths], [1.0], [0.0], np.array([[0, 2], [3, 3]]))
    assert not found.any()


def test_ids_that_no_path_knows_match_wildcards_only():
    paths = (Path((3, ANY, 2), (1.0, 0.0, 1.0), 1.0, 1), Path((3, 4), (1.0, 1.0), 0.5, 1))
    tokens = np.array([[2, 50_000, 3], [2, 4, 3], [50_000, 4, 3]])
    assert simulate_tries([paths], [1.0], [0.0], tokens)[0, :, 2].tolist() == [1.0, 1.0, 0.5]


def test_no_neurons_no_paths_no_tokens():
    assert simulate_tries([], [], [], np.zeros((2, 3), dtype=np.int64)).shape == (0, 2, 3)
    assert not simulate_tries([()], [1.0], [0.0], np.ones((2, 3), dtype=np.int64)).any()
    one = (Path((1,), (1.0,), 1.0, 1),)
    for shape in ((0, 4), (2, 0)):
        empty = np.zeros(shape, dtype=np.int64)
        assert simulate_tries([one], [1.0], [0.0], empty).shape == (1, *shape)
