"""The last position alone, and what the subject expects next, are those of whole forwards."""

from __future__ import annotations

import pytest
import torch

from benchmark.errors import BenchmarkError
from tests.subject.checkpoints import D_MLP, D_VOCAB

TOKENS = torch.arange(1, 22).reshape(3, 7)


def test_pairs_are_what_whole_activations_hold_there(subject):
    rows = torch.tensor([2, 0, 2, 1, 0])
    neurons = torch.tensor([3, 0, 3, 7, 19])
    found = subject.last_activations(TOKENS, 1, rows, neurons)
    whole = subject.activations(TOKENS, 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, whole[rows, -1, neurons])


def test_tokens_and_calls_are_counted(subject):
    subject.passes.calls_run = 0
    subject.last_activations(TOKENS, 0, torch.tensor([0]), torch.tensor([1]))
    assert (subject.tokens_run, subject.calls_run) == (21, 1)
    subject.limit_batch(7)
    subject.last_activations(TOKENS, 0, torch.tensor([0]), torch.tensor([1]))
    assert (subject.tokens_run, subject.calls_run) == (42, 4)


def test_it_does_not_depend_on_the_batch(subject):
    rows, neurons = torch.arange(3).repeat(2), torch.arange(6)
    whole = subject.last_activations(TOKENS, 2, rows, neurons)
    subject.limit_batch(1)
    torch.testing.assert_close(subject.last_activations(TOKENS, 2, rows, neurons), whole)


def test_no_pairs_and_no_contexts(subject):
    nothing = torch.zeros(0, dtype=torch.long)
    assert subject.last_activations(TOKENS, 0, nothing, nothing).shape == (0,)
    assert subject.last_activations(TOKENS[:0], 0, nothing, nothing).shape == (0,)
    assert subject.tokens_run == 0


@pytest.mark.parametrize(
    ("rows", "neurons", "message"),
    [
        ([3], [0], "rows must be 0 to 2"),
        ([-1], [0], "rows must be 0 to 2"),
        ([0, 1], [0], "2 rows do not pair with 1 neurons"),
        ([0.5], [0], "tensor of integers"),
        ([0], [D_MLP], "out of range"),
    ],
)
def test_what_is_not_there_is_refused(subject, rows, neurons, message):
    with pytest.raises(BenchmarkError, match=message):
        subject.last_activations(TOKENS, 0, torch.tensor(rows), torch.tensor(neurons))


def test_a_context_of_no_tokens_is_refused(subject):
    one = torch.tensor([0])
    with pytest.raises(BenchmarkError, match="no last position"):
        subject.last_activations(TOKENS[:, :0], 0, one, one)


def test_likely_tokens_are_those_of_the_logits(subject):
    with torch.no_grad():
        logits = subject.model(TOKENS, return_type="logits")
    found = subject.likely_next(TOKENS, 4)
    torch.testing.assert_close(
        logits.gather(-1, found), logits.topk(4).values, atol=1e-4, rtol=1e-4
    )
    assert subject.tokens_run == 21


def test_no_more_likely_tokens_than_there_are(subject):
    assert subject.likely_next(TOKENS, 1000).shape == (3, 7, D_VOCAB)
    assert subject.likely_next(TOKENS[:0], 3).shape == (0, 7, 3)
