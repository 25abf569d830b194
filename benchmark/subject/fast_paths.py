"""Fast paths: what a model need not compute, used only after a trial shows the same numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.subject.prefix_cache import KeyValues
from benchmark.subject.site_reader import AsksLast, SiteReader

# Both ways compute the same numbers in another order.
TOLERANCE, TOLERANCE_OF_HALF = 1e-3, 0.1


def with_fast_paths(
    reader: SiteReader,
    top: int,
    mlps: list[nn.Module] | None,
    attentions: Sequence[AsksLast] | None,
    key_values: KeyValues | None,
    tokens: Int[Tensor, "1 pos"],
) -> SiteReader:
    """Return a reader that uses the fast paths that a trial on a few tokens bears out.

    Args:
        reader: the slow one.
        top: the highest layer that has units.
        mlps: for each layer, the MLP, if the architecture names it.
        attentions: for each layer, the attention, if it can be asked by the last position alone.
        key_values: how the model continues after earlier tokens, if it can.
        tokens: a context to try them on.
    """
    if tokens.shape[1] < 2:
        return reader
    half = tokens.shape[1] // 2

    def last(reader: SiteReader, **options: Any) -> Tensor:
        return reader.read(tokens, [top], _all, last=True, **options)[top]

    def continued() -> Tensor:
        assert key_values is not None
        past = key_values.kept(
            lambda options: reader.read(tokens[:, :half], [top], _all, options=options)
        )
        with key_values.given(past, tokens.shape[1] - half) as options:
            return reader.read(tokens[:, half:], [top], _all, last=True, options=options)[top]

    whole = last(reader)
    if mlps is not None:
        narrowed = dataclasses.replace(reader, mlps=mlps)
        if _same(lambda: last(narrowed), whole):
            reader = narrowed
    if attentions is not None:
        asked = dataclasses.replace(reader, attentions=attentions)
        if _same(lambda: last(asked), whole):
            reader = asked
    if key_values is not None and _same(continued, whole):
        reader = dataclasses.replace(reader, key_values=key_values)
    return reader


def mlps_of(bridge: Any, plain: nn.Module) -> list[nn.Module] | None:
    """Return each layer's MLP in the plain model; None where the architecture does not name it."""
    translate = bridge.adapter.translate_transformer_lens_path
    try:
        return [
            plain.get_submodule(translate(f"blocks.{layer}.mlp"))
            for layer in range(len(bridge.blocks))
        ]
    except (AttributeError, ValueError):
        return None


def _same(fast: Callable[[], Tensor], whole: Float[Tensor, "batch pos n_units"]) -> bool:
    try:
        found = fast()
    except Exception:  # an architecture may fail in any way where it is run as it never was
        return False
    share = TOLERANCE if whole.dtype == torch.float32 else TOLERANCE_OF_HALF
    return found.shape == whole.shape and bool(
        ((found - whole).float().abs() <= share * whole.float().abs().max()).all()
    )


def _all(units: Tensor) -> Tensor:
    return units
