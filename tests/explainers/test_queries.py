"""Questions about contexts that were made from others are answered as if nothing were shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.subject import load_subject
from explainers.queries import SharedStarts, SubjectQueries
from tests.subject import checkpoints
from tests.subject.checkpoints import D_MLP, D_VOCAB, N_CTX


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    folder = checkpoints.builtin_folder(tmp_path_factory.mktemp("queries") / "small")
    return load_subject({"name": "small", "kind": "builtin", "source": str(folder)}, device="cpu")


@pytest.mark.parametrize("seed", range(4))
def test_shared_starts_change_no_answer(subject, monkeypatch, seed):
    monkeypatch.setattr("benchmark.subject.prefix_cache.CPU_CALL_TOKENS", 1)
    rng = np.random.default_rng(seed)
    made_from = [
        np.concatenate([[0], rng.integers(1, D_VOCAB, rng.integers(3, N_CTX))]) for _ in range(5)
    ]
    contexts, which, places = [], [], []
    for _ in range(80):
        number = int(rng.integers(5))
        base = made_from[number]
        place = int(rng.integers(1, len(base)))
        # One token or two in the place of one, as substitutes are.
        new = rng.integers(1, D_VOCAB, rng.integers(1, 3))
        contexts.append(np.concatenate([base[:place], new, base[place + 1 :]])[:N_CTX])
        which.append(number)
        places.append(place)
    owners = rng.integers(0, 6, 80)
    shared = SharedStarts(made_from, np.array(which), np.array(places))
    queries = SubjectQueries(subject, 2, torch.randperm(D_MLP)[:6])
    subject.passes.tokens_run = 0
    expected = queries.activations_of_lengths(contexts, owners)
    whole, subject.passes.tokens_run = subject.tokens_run, 0
    np.testing.assert_allclose(
        queries.activations_of_lengths(contexts, owners, shared), expected, rtol=1e-4, atol=1e-5
    )
    assert subject.tokens_run < whole
