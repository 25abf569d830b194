"""Batches fit memory and need no padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from benchmark.errors import BenchmarkError, is_out_of_memory
from benchmark.subject import Subject
from benchmark.subject.batching import (
    CPU_BATCH_TOKENS,
    BatchSize,
    first_batch_tokens,
)
from tests.subject.checkpoints import D_VOCAB

OUT_OF_MEMORY = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate"
                        " memory: you tried to allocate 400000 bytes."),
    "python": MemoryError(),
}  # fmt: skip


@pytest.fixture
def room_for(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Make the subject's forward pass fail above a number of tokens; returns the sizes tried."""

    def limit(n_tokens: int, error: BaseException) -> list[int]:
        read = subject.reader.read
        tried = []

        def reading(tokens: Tensor, *arguments: Any) -> dict[int, Tensor]:
            tried.append(tokens.numel())
            if tokens.numel() > n_tokens:
                raise error
            return read(tokens, *arguments)

        monkeypatch.setattr(subject.reader, "read", reading)
        return tried

    return limit


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
def test_halves_until_it_fits_and_remembers(
    subject: Subject, room_for: Callable[..., list[int]], kind: str
) -> None:
    tokens = torch.randint(D_VOCAB, (20, 5))
    expected = subject.activations(tokens, 1)
    subject.limit_batch(100)
    subject.passes.tokens_run = 0
    tried = room_for(30, OUT_OF_MEMORY[kind])
    torch.testing.assert_close(subject.activations(tokens, 1), expected)
    assert tried == [100, 50, 25, 25, 25, 25]
    assert subject.batch_tokens == 25
    assert subject.tokens_run == 100  # what was asked for, not what was tried
    tried.clear()
    subject.activations(tokens, 1)
    assert tried == [25] * 4


def test_a_stream_goes_on_with_smaller_batches(
    subject: Subject, room_for: Callable[..., list[int]]
) -> None:
    tokens = torch.randint(D_VOCAB, (9, 4))
    expected = subject.activations(tokens, 2)
    subject.limit_batch(16)
    room_for(8, OUT_OF_MEMORY["cpu"])
    parts = list(subject.stream(tokens, [2]))
    assert [rows.stop - rows.start for rows, _ in parts] == [2, 2, 2, 2, 1]
    torch.testing.assert_close(torch.cat([found[2] for _, found in parts]), expected)


def test_a_single_context_that_does_not_fit(
    subject: Subject, room_for: Callable[..., list[int]]
) -> None:
    subject.limit_batch(64)
    room_for(7, OUT_OF_MEMORY["cuda"])
    with pytest.raises(BenchmarkError, match="not even one context of 8 tokens fits"):
        subject.activations(torch.zeros(4, 8, dtype=torch.long), 0)
    assert subject.tokens_run == 0


def test_other_errors_pass(subject: Subject, room_for: Callable[..., list[int]]) -> None:
    room_for(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        subject.activations(torch.zeros(4, 8, dtype=torch.long), 0)


def test_a_real_failed_allocation_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(ValueError("not enough memory"))


@given(st.integers(1, 1 << 20), st.integers(1, 5000))
def test_a_batch_holds_whole_contexts_and_at_least_one(tokens: int, n_positions: int) -> None:
    contexts = BatchSize(tokens).contexts(n_positions)
    assert contexts == 1 or contexts * n_positions <= tokens
    assert (contexts + 1) * n_positions > tokens


class _Card:
    def __init__(self, gigabytes: float) -> None:
        self.total_memory = int(gigabytes * 2**30)


@pytest.mark.parametrize(("gigabytes", "smaller"), [(2, 0.5), (80, 8)])
def test_the_first_batch_follows_the_memory_of_the_card(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, smaller: float
) -> None:
    def tokens(memory: float, width: int, kept: int = 0) -> int:
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: _Card(memory))
        cuda = torch.device("cuda")
        return first_batch_tokens(
            width=width, d_model=1024, n_ctx=1024, n_heads=16, device=cuda, kept=kept
        )

    assert tokens(smaller, 4096) < tokens(gigabytes, 4096)
    assert tokens(gigabytes, 1 << 22) < tokens(gigabytes, 4096)
    assert tokens(gigabytes, 4096, kept=1 << 22) < tokens(gigabytes, 4096)
    # A batch's activations never fill the card, and one start is like another.
    assert tokens(gigabytes, 4096) * 4096 * 4 < gigabytes * 2**30 / 4
    assert tokens(gigabytes, 4096) == tokens(gigabytes, 4096)


def test_the_first_batch_on_cpu_does_not_depend_on_the_machine() -> None:
    for width in (64, 4096):
        assert (
            first_batch_tokens(
                width=width, d_model=16, n_ctx=128, n_heads=4, device=torch.device("cpu")
            )
            == CPU_BATCH_TOKENS
        )


def test_a_batch_limit_must_be_positive(subject: Subject) -> None:
    with pytest.raises(BenchmarkError, match="batch_tokens=0"):
        subject.limit_batch(0)
