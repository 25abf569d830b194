"""Device and precision that a subject runs in."""

from __future__ import annotations

import torch

from benchmark.errors import BenchmarkError, unknown

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def resolve_device(device: str | None) -> torch.device:
    """Return the device of a name; for None or `auto` CUDA where there is one, else the CPU.

    Raises:
        BenchmarkError: there is no such device on this machine.
    """
    if device is None or device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise BenchmarkError(f"device '{device}' is not known; use cpu or cuda.") from None
    if resolved.type == "cuda":
        if not torch.cuda.is_available():
            raise BenchmarkError(
                f"device '{device}' was asked for, but PyTorch finds no CUDA device; "
                "use device=cpu, or leave device out."
            )
        if resolved.index is not None and resolved.index >= torch.cuda.device_count():
            raise BenchmarkError(
                f"device '{device}' was asked for, but PyTorch finds only "
                f"{torch.cuda.device_count()} CUDA device(s), counted from cuda:0."
            )
    elif resolved.type != "cpu":
        raise BenchmarkError(f"device '{device}' is not supported; use cpu or cuda.")
    return resolved


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Return the precision of a name.

    Raises:
        BenchmarkError: not known, or a half precision on a device other than CUDA.
    """
    resolved = DTYPES.get(str(dtype).removeprefix("torch."))
    if resolved is None:
        raise unknown("dtype", str(dtype), DTYPES)
    if resolved != torch.float32 and device.type != "cuda":
        raise BenchmarkError(
            f"dtype '{dtype}' needs a CUDA device; on {device.type} use dtype=float32."
        )
    return resolved
