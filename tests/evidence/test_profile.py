"""The streaming profile equals a slow, obvious one that holds everything in memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.corpus import Contexts
from benchmark.evidence import profile_layers
from benchmark.evidence.segments import find_segments
from tests.evidence.subjects import TableSubject, random_contexts


def slow_top(activations, contexts, k, distinct):
    """Top contexts of one neuron as (value, row), walking contexts from strongest to weakest."""
    best = {}
    for row in range(len(contexts)):
        if (contexts.tokens[row] == contexts.bos).all():
            continue
        value, document = max(
            (float(activations[row, p]), -p)
            for p in range(contexts.tokens.shape[1])
            if contexts.tokens[row, p] != contexts.bos
        )
        name = int(contexts.documents[row, -document]) if distinct else row
        best.setdefault(name, []).append((value, row))
    return sorted((max(found)[0] for found in best.values()), reverse=True)[:k], best


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 25),
    documents=st.integers(1, 30),
    batch=st.integers(1, 8),
    k=st.integers(1, 6),
    distinct=st.booleans(),
)
def test_streaming_profile_equals_the_slow_one(seed, n, documents, batch, k, distinct):
    contexts = random_contexts(n=n, documents=min(documents, 2 * n), seed=seed)
    subject = TableSubject(batch=batch, seed=seed)
    profile = profile_layers(subject, contexts, [1], k, distinct_documents=distinct)[1]
    everything = subject.everything(contexts.tokens, 1)
    text = contexts.tokens != contexts.bos
    on_text = everything[text].double()
    torch.testing.assert_close(profile.max_activation, on_text.amax(0).float())
    torch.testing.assert_close(
        profile.mean_activation, on_text.mean(0).float(), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(
        profile.mean_square, on_text.square().mean(0).float(), rtol=1e-5, atol=1e-6
    )
    assert profile.n_tokens == int(text.sum())
    for neuron in range(subject.n_units(0)):
        values, by_document = slow_top(everything[..., neuron], contexts, k, distinct)
        found = profile.top_values[neuron]
        assert found[: len(values)].tolist() == pytest.approx(values)
        assert (profile.top_contexts[neuron, len(values) :] == -1).all()
        rows = profile.top_contexts[neuron, : len(values)].tolist()
        assert len(set(rows)) == len(rows)
        # Every context found is the strongest of its own document, and no document comes twice.
        of_row = {row: (name, v) for name, members in by_document.items() for v, row in members}
        assert len({of_row[row][0] for row in rows}) == len(rows)
        assert [of_row[row][1] for row in rows] == pytest.approx(values)


def test_ties_keep_one_context_per_document():
    contexts = random_contexts(n=30, documents=12, seed=3)
    subject = TableSubject(values=2, seed=3)
    profile = profile_layers(subject, contexts, [0], 8)[0]
    for neuron in range(subject.n_units(0)):
        values, by_document = slow_top(
            subject.everything(contexts.tokens, 0)[..., neuron], contexts, 8, True
        )
        assert profile.top_values[neuron, : len(values)].tolist() == values
        rows = profile.top_contexts[neuron, : len(values)].tolist()
        assert len(set(rows)) == len(rows)
        value_of = {row: value for found in by_document.values() for value, row in found}
        assert [value_of[row] for row in rows] == values


def test_a_bos_position_is_never_an_exemplar():
    subject = TableSubject(n_layers=1)
    subject.table[0, 0, 0] = 100.0  # every neuron is strongest on BOS
    contexts = random_contexts()
    profile = profile_layers(subject, contexts, [0], 3)[0]
    assert float(profile.max_activation.max()) < 50


def test_all_layers_are_profiled_in_one_forward_pass():
    subject, contexts = TableSubject(n_layers=4), random_contexts()
    profiles = profile_layers(subject, contexts, [0, 1, 3], 3)
    assert subject.runs == 1
    assert subject.tokens_run == contexts.tokens.numel()
    assert sorted(profiles) == [0, 1, 3]


def test_segments_are_the_runs_of_text_of_one_document():
    tokens = torch.tensor([[0, 5, 6, 0, 7], [0, 8, 9, 9, 9]])
    documents = torch.tensor([[0, 0, 0, 1, 1], [1, 1, 1, 1, 1]])
    segments = find_segments(Contexts("explain", 0, tokens, documents))
    assert segments.context.tolist() == [0, 0, 1]
    assert segments.document.tolist() == [0, 1, 1]
    assert segments.start.tolist() == [1, 4, 1]
    assert segments.stop.tolist() == [3, 5, 5]
    second = segments.of_rows(slice(1, 2))
    assert second.context.tolist() == [0]
    assert second.offsets.tolist() == [0, 1]
