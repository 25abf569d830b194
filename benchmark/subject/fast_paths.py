"""What a model need not compute, taken only where it is seen to change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.subject.prefix_cache import KeyValues
from benchmark.subject.site import Sites

# Both ways compute the same numbers in another order.
TOLERANCE, TOLERANCE_OF_HALF = 1e-3, 0.1


def take_shortcuts(
    sites: Sites,
    mlps: list[nn.Module] | None,
    key_values: KeyValues | None,
    tokens: Int[Tensor, "1 pos"],
) -> None:
    """Give the sites what they may use, after a trial of each on a few tokens.

    Args:
        sites: of the model.
        mlps: for each layer, the MLP, if the architecture names it.
        key_values: how the model goes on after earlier tokens, if it can.
        tokens: a context to try them on.
    """
    if tokens.shape[1] < 2:
        return
    top, half = len(sites.modules) - 1, tokens.shape[1] // 2

    def last(**options: Any) -> Tensor:
        return sites.read(tokens, [top], _neurons, last=True, **options)[top]

    def gone_on() -> Tensor:
        assert key_values is not None
        past = key_values.kept(
            lambda options: sites.read(tokens[:, :half], [top], _neurons, options=options)
        )
        with key_values.given(past, tokens.shape[1] - half) as options:
            return sites.read(tokens[:, half:], [top], _neurons, last=True, options=options)[top]

    whole = last()
    if mlps is not None:
        sites.mlps = mlps
        if not _same(last, whole):
            sites.mlps = None
    if key_values is not None and _same(gone_on, whole):
        sites.key_values = key_values


def mlps_of(bridge: Any, plain: nn.Module) -> list[nn.Module] | None:
    """For each layer, the MLP in the plain model; None where the architecture does not name it."""
    translate = bridge.adapter.translate_transformer_lens_path
    try:
        return [
            plain.get_submodule(translate(f"blocks.{layer}.mlp"))
            for layer in range(len(bridge.blocks))
        ]
    except (AttributeError, ValueError):
        return None


def _same(shortcut: Callable[[], Tensor], whole: Float[Tensor, "batch pos d_mlp"]) -> bool:
    try:
        found = shortcut()
    except Exception:  # an architecture may fail in any way where it is run as it never was
        return False
    share = TOLERANCE if whole.dtype == torch.float32 else TOLERANCE_OF_HALF
    return found.shape == whole.shape and bool(
        ((found - whole).float().abs() <= share * whole.float().abs().max()).all()
    )


def _neurons(neurons: Tensor) -> Tensor:
    return neurons
