"""Native architecture of TransformerLens: the built-in subject and the SoLU and GELU models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources.native import NativeAttention, NativeModel

from benchmark.errors import BenchmarkError
from benchmark.subject.prefix_cache import KeysValues


class FusedAttention(NativeAttention):  # type: ignore[misc]
    """Native attention computed by `scaled_dot_product_attention`: same weights and result.

    Attributes:
        past: keys and values of the tokens before those it is called with, None without any.
        keeps: whether it records the keys and values that it computes, in `kept`.
        last_only: whether only the last position is wanted: its output is added to all positions,
            where the others no longer hold what they should.
    """

    past: KeysValues | None = None
    keeps = False
    last_only = False
    kept: KeysValues | None = None

    def forward(
        self, hidden_states: Tensor, position_ids: Tensor | None = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        """Attend causally over contexts without padding; no attention pattern is returned."""
        batch, position = hidden_states.shape[:2]
        asking = hidden_states[:, -1:] if self.last_only else hidden_states
        q, k, v = (
            project(states).view(batch, states.shape[1], -1, self.d_head).transpose(1, 2)
            for project, states in (
                (self.q, asking),
                (self.k, hidden_states),
                (self.v, hidden_states),
            )
        )
        if self.rotary is not None:
            # Without a past they are the first positions, which needs no look-up.
            places = None if self.past is None else position_ids
            q, k = self._rotated(q, position, places), self._rotated(k, position, places)
        if self.keeps:
            self.kept = (k, v)
        mask = None
        if self.past is not None:
            k, v = (torch.cat(both, dim=2) for both in zip(self.past, (k, v), strict=True))
        if self.past is not None and not self.last_only:
            mask = hidden_states.new_ones(position, k.shape[2], dtype=torch.bool)
            mask = mask.tril(k.shape[2] - position)
        if self.kv_repeats > 1:
            k = k.repeat_interleave(self.kv_repeats, dim=1)
            v = v.repeat_interleave(self.kv_repeats, dim=1)
        scale = 1 / self.scale
        mixed = nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None and not self.last_only, scale=scale
        )
        out = self.o(mixed.transpose(1, 2).reshape(batch, asking.shape[1], -1))
        return out, out.new_empty(0)

    def _rotated(self, heads: Tensor, n_positions: int, places: Tensor | None) -> Tensor:
        """Return queries or keys, `[batch, heads, pos, d_head]`, turned by the last positions."""
        rotary, last = self.rotary, heads.shape[2]
        cos, sin = (
            table[n_positions - last : n_positions] if places is None else table[places[0, -last:]]
            for table in (rotary.cos_cached, rotary.sin_cached)
        )
        turned = heads[..., : rotary.rotary_dim]
        pairs = turned.unflatten(-1, (-1, 2))
        # Each pair of neighbours turns together: (x, y) also adds (-y, x).
        across = torch.stack((-pairs[..., 1], pairs[..., 0]), dim=-1).flatten(-2)
        turned = turned * cos.to(heads.dtype) + across * sin.to(heads.dtype)
        rest = heads[..., rotary.rotary_dim :]
        return torch.cat([turned, rest], dim=-1) if rest.shape[-1] else turned


class NativeKeyValues:
    """Keys and values of earlier tokens in the fused attention of a native model."""

    def __init__(self, attentions: Sequence[FusedAttention]) -> None:
        self._attentions = list(attentions)

    def kept(self, run: Callable[[Mapping[str, Any]], object]) -> list[KeysValues]:
        """Return the keys and values of each layer that `run` reaches."""
        try:
            for attention in self._attentions:
                attention.keeps = True
            run({})
            found = [attention.kept for attention in self._attentions]
        finally:
            for attention in self._attentions:
                attention.keeps, attention.kept = False, None
        return [kept for kept in found if kept is not None]

    @contextmanager
    def given(self, past: Sequence[KeysValues], n_tokens: int, /) -> Iterator[Mapping[str, Any]]:
        """Let a call of `n_tokens` tokens with these options continue after `past`."""
        keys, _ = past[0]
        places = torch.arange(keys.shape[2], keys.shape[2] + n_tokens, device=keys.device)
        try:
            for attention, kept in zip(self._attentions, past, strict=False):
                attention.past = kept
            yield {"position_ids": places[None]}
        finally:
            for attention in self._attentions:
                attention.past = None


def native_attentions(plain: nn.Module) -> list[FusedAttention] | None:
    """Return each layer's attention of a plain native model; None if it is not fused."""
    attentions = [cast(Any, block).attn for block in cast(Any, plain).layers]
    if not all(isinstance(attention, FusedAttention) for attention in attentions):
        return None
    return attentions


def boot_native(
    config: Mapping[str, Any] | TransformerBridgeConfig,
    tokenizer: Any,
    device: torch.device,
    dtype: torch.dtype,
    name: str,
) -> Any:
    """Return a TransformerBridge of the native architecture, its weights still to be loaded."""
    if not isinstance(config, TransformerBridgeConfig):
        config = TransformerBridgeConfig.from_dict(dict(config))
    config.init_weights = False
    return TransformerBridge.boot_native(
        config, tokenizer=tokenizer, device=device, dtype=dtype, model_name=name
    )


def tensors_by_plain_name(bridge: Any) -> dict[str, Tensor]:
    """Return the parameters and buffers of a bridge under their names in the plain module."""
    model = bridge.original_model
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name.replace("._original_component", ""): tensor for name, tensor in named}


def fill(bridge: Any, state: Mapping[str, Tensor], source: str) -> None:
    """Copy a state dict with the plain module's names into a bridge.

    Raises:
        BenchmarkError: a tensor is missing, left over, or of another shape.
    """
    parameters = {
        name.replace("._original_component", ""): parameter
        for name, parameter in bridge.original_model.named_parameters()
    }
    problems = [f"no {name}" for name in sorted(parameters.keys() - state.keys())]
    problems += [f"unknown {name}" for name in sorted(state.keys() - parameters.keys())]
    problems += [
        f"{name} is {list(state[name].shape)}, not {list(parameter.shape)}"
        for name, parameter in parameters.items()
        if name in state and state[name].shape != parameter.shape
    ]
    if problems:
        raise BenchmarkError(
            f"the weights of '{source}' do not fit its config.json: {'; '.join(problems[:3])}"
            + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])


def plain_native(bridge: Any) -> nn.Module:
    """Return the plain module of a native bridge, sharing its tensors, with fused attention.

    The bridge's wrapped modules cost a third more than this, or twice as much at long contexts.
    """
    config = bridge.original_model.cfg
    with torch.device("meta"):
        model = NativeModel(config)
    tensors = tensors_by_plain_name(bridge)
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for name in module._parameters:
            if module._parameters[name] is not None:
                module._parameters[name] = cast(nn.Parameter, tensors[prefix + name])
        for name in module._buffers:
            module._buffers[name] = tensors[prefix + name]
    for block in model.layers:
        attention = cast(Any, block).attn
        if attention.causal and attention.attn_scores_soft_cap <= 0:
            attention.__class__ = FusedAttention
    model.eval()
    return cast(nn.Module, model)
