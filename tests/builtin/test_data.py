"""Every token is a target once, whatever the windows; batches can be continued anywhere."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.builtin.data import (
    TextLoss,
    last_window,
    load_texts,
    text_loss,
    training_batches,
    windows,
)
from benchmark.corpus.documents import Document, split_of
from benchmark.errors import BenchmarkError
from tests.builtin.conftest import made_up_documents

BOS = 0
DOCUMENTS = st.lists(
    st.lists(st.integers(1, 50), min_size=1, max_size=30).map(np.asarray), min_size=1, max_size=8
)


def stream_of(documents):
    return list(itertools.chain.from_iterable([BOS, *document] for document in documents))[1:]


@given(documents=DOCUMENTS, n_ctx=st.integers(1, 20))
def test_windows_and_what_is_left_hold_every_token_once(documents, n_ctx):
    rows, left = windows(documents, n_ctx, BOS), last_window(documents, n_ctx, BOS)
    assert (rows[:, 0] == BOS).all()
    assert (left[:, 0] == BOS).all()
    assert rows.shape[1] == n_ctx + 1
    assert left.shape[1] <= n_ctx
    assert [*rows[:, 1:].flatten().tolist(), *left[:, 1:].flatten().tolist()] == [
        int(token) for token in stream_of(documents)
    ]


@given(documents=DOCUMENTS, offset=st.integers(0, 9))
def test_an_offset_moves_the_cuts(documents, offset):
    rows = windows(documents, 10, BOS, offset)
    stream = stream_of(documents)[offset:]
    assert rows[:, 1:].flatten().tolist() == stream[: len(stream) // 10 * 10]


@pytest.mark.parametrize("start", [0, 3, 11])
def test_batches_continue_where_they_were_left(start):
    documents = [np.arange(1, 40 + i) for i in range(6)]
    whole = training_batches(documents, 8, 4, BOS, seed=5, start=0)
    rest = training_batches(documents, 8, 4, BOS, seed=5, start=start)
    for expected in itertools.islice(whole, start, start + 9):
        assert torch.equal(next(rest), expected)


def test_epochs_differ():
    documents = [np.arange(1, 34)]
    batches = training_batches(documents, 8, 3, BOS, seed=0, start=0)
    first, second = next(batches), next(batches)
    assert not torch.equal(first.sort(0).values, second.sort(0).values)


def test_texts_are_split_by_content():
    documents = made_up_documents(40)
    texts = load_texts([*documents, documents[0]])
    ordered = sorted(documents, key=lambda each: each.digest)
    held_out = [each.text for each in ordered if split_of(each.digest) == "held_out"]
    assert texts.held_out == held_out
    assert len(texts.training) == 40 - len(held_out)
    assert texts.held_out_bytes == sum(len(text.encode()) for text in held_out)
    assert load_texts(documents).fingerprint == texts.fingerprint
    assert load_texts(documents[1:]).fingerprint != texts.fingerprint


def test_nothing_held_out_is_refused():
    with pytest.raises(BenchmarkError, match="0 held out"):
        load_texts([Document("a", "text of one document")])


class LastTokenModel(torch.nn.Module):
    """Logits that depend on the last two tokens, so that each window's start matters."""

    def __init__(self, d_vocab):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = torch.nn.Parameter(torch.randn(2, d_vocab, d_vocab, generator=generator))

    def forward(self, tokens):
        before = torch.roll(tokens, 1, dims=1)
        before[:, 0] = BOS
        return self.table[0][tokens] + self.table[1][before]


def test_the_loss_of_text_is_that_of_its_tokens_one_by_one():
    rng = np.random.default_rng(0)
    documents = [rng.integers(1, 20, length) for length in (5, 13, 1, 30)]
    model = LastTokenModel(20)
    found = text_loss(model, documents, n_bytes=100, n_ctx=7, bos=BOS)
    model.table.requires_grad_(False)
    nats, stream = 0.0, stream_of(documents)
    for start in range(0, len(stream), 7):
        seen = [BOS]
        for token in stream[start : start + 7]:
            if token != BOS:
                nats -= float(model(torch.tensor([seen]))[0, -1].log_softmax(-1)[token])
            seen.append(token)
    assert found.nats == pytest.approx(nats, rel=1e-5)
    assert found.n_tokens == 49
    assert model.training


def test_bits_per_byte():
    loss = TextLoss(nats=200 * math.log(2), n_tokens=50, n_bytes=400)
    assert loss.bits_per_byte == pytest.approx(0.5)
    assert loss.nats_per_token == pytest.approx(4 * math.log(2))
