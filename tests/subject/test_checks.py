"""What a subject does not have is refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.interface import SubjectModel
from benchmark.subject import Subject
from tests.subject.checkpoints import D_MLP, D_VOCAB, N_CTX

GOOD = torch.tensor([[0, 1, 2]])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(2, 3), "must be integers, not torch.float32"),
        (torch.zeros(2, 3, dtype=torch.bool), "must be integers, not torch.bool"),
        (torch.zeros(3, dtype=torch.long), r"must have shape \[batch, pos\], not \[3\]"),
        (torch.zeros(1, 2, 3, dtype=torch.long), r"must have shape \[batch, pos\]"),
        ([[1, 2]], "must be a tensor of token ids, not list"),
        (torch.zeros(1, N_CTX + 1, dtype=torch.long), f"{N_CTX + 1} tokens is longer than the "),
        (torch.tensor([[0, D_VOCAB]]), f"token id {D_VOCAB} is outside the vocabulary of 'small'"),
        (torch.tensor([[0, -1]]), "token id -1 is outside"),
    ],
)
def test_tokens(subject: Subject, tokens: Any, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        subject.activations(tokens, 0)
    with pytest.raises(BenchmarkError, match=message):
        subject.stream(tokens, [0])
    assert subject.tokens_run == 0


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (3, "layer 3 is out of range: 'small' has layers 0 to 2"),
        (-1, "layer -1 is out of range"),
        ("1", "layer must be an integer, not '1'"),
        (1.0, "layer must be an integer, not 1.0"),
    ],
)
def test_layers(subject: Subject, layer: Any, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        subject.activations(GOOD, layer)
    with pytest.raises(BenchmarkError, match=message):
        subject.stream(GOOD, [0, layer])


@pytest.mark.parametrize(
    ("neurons", "message"),
    [
        ([0, D_MLP], f"neuron {D_MLP} is out of range: 'small' has neurons 0 to {D_MLP - 1}"),
        (torch.tensor([-1]), "neuron -1 is out of range"),
        (torch.tensor([0.5]), "must be a list of integers, not torch.float32"),
        (torch.tensor([[1]]), r"of shape \[1, 1\]"),
        (torch.tensor([True] * D_MLP), "must be a list of integers, not torch.bool"),
        (["a"], "must be a list of integers, not"),
        (3, r"of shape \[\]"),
    ],
)
def test_neurons(subject: Subject, neurons: Any, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        subject.activations(GOOD, 0, neurons)
    assert subject.tokens_run == 0


def test_a_result_that_no_memory_holds(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = torch.zeros(1, 1, dtype=torch.long).expand(1 << 50, 4)
    monkeypatch.setattr("benchmark.subject.subject.checked_tokens", lambda tokens, *_: tokens)
    with pytest.raises(BenchmarkError, match=r"do not fit on cpu\. Ask for fewer neurons"):
        subject.activations(huge, 0)


def test_it_is_what_explainers_are_promised(subject: Subject) -> None:
    assert isinstance(subject, SubjectModel)


def test_no_layers(subject: Subject) -> None:
    with pytest.raises(BenchmarkError, match="at least one layer"):
        subject.stream(GOOD, [])


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_nothing_asked_is_an_empty_answer(subject: Subject, shape: tuple[int, int]) -> None:
    tokens = torch.zeros(shape, dtype=torch.long)
    assert subject.activations(tokens, 1).shape == (*shape, D_MLP)
    assert subject.activations(tokens, 1, [1, 2]).shape == (*shape, 2)
    assert list(subject.stream(tokens, [0])) == []
    assert subject.tokens_run == 0


def test_no_neurons(subject: Subject) -> None:
    assert subject.activations(GOOD, 0, []).shape == (1, 3, 0)


@pytest.mark.parametrize(
    "neurons", [[1, 3], (1, 3), np.array([1, 3]), torch.tensor([1, 3], dtype=torch.int16)]
)
def test_any_list_of_integers_names_neurons(subject: Subject, neurons: Any) -> None:
    expected = subject.activations(GOOD, 0)[..., [1, 3]]
    assert torch.equal(subject.activations(GOOD, 0, neurons), expected)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_tokens_of_any_integer_dtype(subject: Subject, dtype: torch.dtype) -> None:
    expected = subject.activations(GOOD, 0)
    assert torch.equal(subject.activations(GOOD.to(dtype), 0), expected)
    assert torch.equal(subject.activations(GOOD, np.int64(0)), expected)
