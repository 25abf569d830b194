"""Packed linear layers: the numbers of `nn.Linear`, whatever else is in the batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark.subject import packed_linear
from benchmark.subject.packed_linear import PackedLinear, pack_linears


def onednn_is_there() -> bool:
    try:
        return packed_linear._packed(torch.ones(2, 2)) is not None
    except (AttributeError, RuntimeError):
        return False


pytestmark = pytest.mark.skipif(not onednn_is_there(), reason="this PyTorch has no oneDNN")


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> nn.Linear:
    monkeypatch.setattr(packed_linear, "is_faster", lambda: True)
    torch.manual_seed(0)
    layer = nn.Linear(64, 37)
    pack_linears(layer)
    assert type(layer) is PackedLinear
    return layer


def plain(layer: nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    return nn.functional.linear(rows, layer.weight, layer.bias)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 300), (0, 4)])
def test_the_numbers_are_those_of_a_linear_layer(packed: nn.Linear, shape: tuple[int, ...]) -> None:
    rows = torch.randn(*shape, 64)
    torch.testing.assert_close(packed(rows), plain(packed, rows))


@torch.no_grad()
def test_a_row_has_the_same_numbers_in_every_batch_and_on_any_number_of_threads(
    packed: nn.Linear,
) -> None:
    rows, threads = torch.randn(500, 64), torch.get_num_threads()
    whole = packed(rows)
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            for size in (1, 2, 7, 100, 499):
                assert torch.equal(packed(rows[:size]), whole[:size])
    finally:
        torch.set_num_threads(threads)


def test_few_numbers_of_rows_are_met() -> None:
    found = {packed_linear.rounded(n) for n in range(5000)}
    assert all(n <= packed_linear.rounded(n) <= 1.07 * n + 1 for n in range(5000))
    assert len(found) < 180


@torch.no_grad()
def test_weights_that_change_are_packed_again(packed: nn.Linear) -> None:
    rows = torch.randn(4, 64)
    packed(rows)
    packed.weight.mul_(2)
    torch.testing.assert_close(packed(rows), plain(packed, rows))
    packed.weight = nn.Parameter(torch.randn(37, 64))
    torch.testing.assert_close(packed(rows), plain(packed, rows))


def test_gradients_and_other_precisions_go_the_ordinary_way(packed: nn.Linear) -> None:
    packed(torch.randn(4, 64)).sum().backward()
    assert packed.weight.grad is not None
    with torch.no_grad():
        half = packed.to(torch.bfloat16)(torch.randn(4, 64, dtype=torch.bfloat16))
    assert half.dtype == torch.bfloat16


def test_what_is_no_plain_float32_layer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(nn.Linear):
        pass

    monkeypatch.setattr(packed_linear, "is_faster", lambda: True)
    model = nn.Sequential(Own(2, 2), nn.Linear(2, 2).double(), nn.LayerNorm(2))
    kinds = [type(layer) for layer in model]
    pack_linears(model)
    assert [type(layer) for layer in model] == kinds


@pytest.mark.parametrize(
    ("vendor", "capability"), [("GenuineIntel", "AVX512"), ("", "AVX512"), ("AuthenticAMD", "AVX2")]
)
def test_other_processors_multiply_as_pytorch_does(
    monkeypatch: pytest.MonkeyPatch, vendor: str, capability: str
) -> None:
    monkeypatch.setattr(packed_linear, "_vendor", lambda: vendor)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    packed_linear.is_faster.cache_clear()
    layer = nn.Linear(2, 2)
    pack_linears(layer)
    packed_linear.is_faster.cache_clear()
    assert type(layer) is nn.Linear
