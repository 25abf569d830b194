"""Linear layers whose weights lie as oneDNN multiplies them, on processors where that is faster.

PyTorch multiplies float32 matrices by MKL, which uses no AVX-512 on processors that Intel did not
make: there oneDNN, which PyTorch holds as well, is more than twice as fast. What it gives for a row
does not depend on the rows beside it or on the number of threads.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor, nn

# Rows for which weights are laid out; others give the same numbers.
ROWS = 2048
TOLERANCE = 1e-4
SIGNIFICANT_BITS = 5  # of a number of rows, so that there are few of them


class PackedLinear(nn.Linear):
    """A linear layer that keeps a second, packed copy of its weights and multiplies by that."""

    _packed: Tensor | None = None
    _packed_from: tuple[int, int] = (0, -1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return what `nn.Linear` returns."""
        if torch.is_grad_enabled() or input.device.type != "cpu" or input.dtype != torch.float32:
            return super().forward(input)
        made_from = (self.weight.data_ptr(), self.weight._version)
        if self._packed is None or made_from != self._packed_from:
            self._packed, self._packed_from = _packed(self.weight), made_from
        return _multiplied(input, self._packed, self.bias)


def pack_linears(model: nn.Module) -> None:
    """Let a model's linear layers multiply by packed weights, where this processor gains by it."""
    if not is_faster():
        return
    for module in model.modules():
        on_cpu = type(module) is nn.Linear and module.weight.device.type == "cpu"
        if on_cpu and module.weight.dtype == torch.float32:
            module.__class__ = PackedLinear


@functools.cache
def is_faster() -> bool:
    """Return whether packed weights are multiplied faster here, and give the same numbers."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or _vendor() in ("", "GenuineIntel"):
        return False
    x, weight, bias = (torch.linspace(-1, 1, n) for n in (24, 48, 6))
    x, weight = x.view(3, 8), weight.view(6, 8)
    try:
        found = _multiplied(x, _packed(weight), bias)
    except (AttributeError, RuntimeError):  # a PyTorch without oneDNN, or with other names
        return False
    return bool(torch.allclose(found, nn.functional.linear(x, weight, bias), rtol=TOLERANCE))


def _packed(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), ROWS)
    return packed


def _multiplied(input: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
    rows = input.reshape(-1, input.shape[-1])
    n_rows = len(rows)
    if more := rounded(n_rows) - n_rows:
        rows = torch.cat([rows, rows.new_zeros(more, rows.shape[1])])
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, packed, bias, "none", [], "")
    return product[:n_rows].view(*input.shape[:-1], product.shape[1])


def rounded(n_rows: int) -> int:
    """Return the next number of rows that oneDNN is called with, at most a sixteenth more.

    It keeps a program of some 0.4 MB for each number of rows that it meets, a thousand at most.
    """
    step = 1 << max(0, n_rows.bit_length() - SIGNIFICANT_BITS)
    return -(-n_rows // step) * step


def _vendor() -> str:
    """Return who made this processor, such as `AuthenticAMD`; empty where Linux does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id"))
    return next(found, "")
