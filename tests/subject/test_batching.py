"""Batches fit memory and need no padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.subject import Subject
from benchmark.subject.batching import (
    CPU_BATCH_TOKENS,
    BatchSize,
    first_batch_tokens,
    rows_by_length,
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
        read = subject._sites.read
        tried = []

        def reading(tokens: Tensor, *arguments: Any) -> dict[int, Tensor]:
            tried.append(tokens.numel())
            if tokens.numel() > n_tokens:
                raise error
            return read(tokens, *arguments)

        monkeypatch.setattr(subject._sites, "read", reading)
        return tried

    return limit


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
def test_halves_until_it_fits_and_remembers(
    subject: Subject, room_for: Callable[..., list[int]], kind: str
) -> None:
    tokens = torch.randint(D_VOCAB, (20, 5))
    expected = subject.activations(tokens, 1)
    subject.limit_batch(100)
    subject.tokens_run = 0
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


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lengths=st.lists(st.integers(0, 12), max_size=8),
    batch_tokens=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_bucketed_is_one_by_one(
    subject: Subject, lengths: list[int], batch_tokens: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    sequences = [torch.randint(D_VOCAB, (n,), generator=generator) for n in lengths]
    subject.limit_batch(batch_tokens)
    subject.tokens_run = 0
    found = subject.activations_of(sequences, 1, [4, 2, 4])
    assert subject.tokens_run == sum(lengths)
    assert len(found) == len(sequences)
    for sequence, activations in zip(sequences, found, strict=True):
        alone = subject.activations(sequence[None], 1, [4, 2, 4])[0]
        torch.testing.assert_close(activations, alone)


@given(st.lists(st.integers(0, 5)))
def test_rows_by_length_holds_every_row_once(lengths: list[int]) -> None:
    buckets = rows_by_length([torch.zeros(n) for n in lengths])
    assert sorted(row for rows in buckets.values() for row in rows) == list(range(len(lengths)))
    for length, rows in buckets.items():
        assert {lengths[row] for row in rows} == {length}


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
    def tokens(memory: float, d_mlp: int) -> int:
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: _Card(memory))
        return first_batch_tokens(
            d_mlp=d_mlp, d_model=1024, n_ctx=1024, n_heads=16, device=torch.device("cuda")
        )

    assert tokens(smaller, 4096) < tokens(gigabytes, 4096)
    assert tokens(gigabytes, 1 << 22) < tokens(gigabytes, 4096)
    # A batch's activations never fill the card, and one start is like another.
    assert tokens(gigabytes, 4096) * 4096 * 4 < gigabytes * 2**30 / 4
    assert tokens(gigabytes, 4096) == tokens(gigabytes, 4096)


def test_the_first_batch_on_cpu_does_not_depend_on_the_machine() -> None:
    for d_mlp in (64, 4096):
        assert (
            first_batch_tokens(
                d_mlp=d_mlp, d_model=16, n_ctx=128, n_heads=4, device=torch.device("cpu")
            )
            == CPU_BATCH_TOKENS
        )


def test_a_batch_limit_must_be_positive(subject: Subject) -> None:
    with pytest.raises(BenchmarkError, match="batch_tokens=0"):
        subject.limit_batch(0)
