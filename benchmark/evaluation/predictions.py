"""Predicted tensors: read as plain numbers, whatever an explainer or a simulator gave."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.plugins.isolation import contained, reason_of


def numbers_of(
    found: object, shape: tuple[int, ...]
) -> tuple[Float[Tensor, "*shape"], None] | tuple[None, str]:
    """Return a simulation as float32 on the CPU, or what is wrong with it.

    Args:
        found: what an explainer gave.
        shape: the shape that it has to have.
    """
    if not isinstance(found, Tensor):
        return None, f"a {type(found).__name__}"
    try:
        with contained():
            if tuple(found.shape) != shape:
                return None, f"shape {list(found.shape)} where {list(shape)} is due"
            if not found.is_floating_point():
                return None, f"{found.dtype}"
            if found.layout != torch.strided or found.is_meta:
                kind = "meta" if found.is_meta else str(found.layout).removeprefix("torch.")
                return None, f"a {kind} tensor, which holds no number for each token"
            if not _has_its_memory(found):
                return None, "a tensor whose memory was given back"
            if type(found) is Tensor:
                values = found.detach().to("cpu", torch.float32)
            else:
                # Whatever its class makes of being copied, the copy is a plain tensor.
                values = torch.full(shape, torch.nan)
                values.copy_(found.detach())
    except Exception as error:
        return None, f"a {type(found).__name__} that cannot be read ({reason_of(error)})"
    return values, None


def is_unchanged(tokens: Tensor, expected: Tensor) -> bool:
    """Return whether tokens that were handed over are still what they were."""
    same = tokens.shape == expected.shape and tokens.dtype == expected.dtype
    return same and _has_its_memory(tokens) and torch.equal(tokens, expected)


def _has_its_memory(tensor: Tensor) -> bool:
    """Return whether a strided tensor has numbers: reading memory that is freed is a crash."""
    if not tensor.numel():
        return True
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + last + 1) * tensor.element_size()
    return needed <= tensor.untyped_storage().nbytes()
