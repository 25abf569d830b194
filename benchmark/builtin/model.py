"""Model of a built-in subject while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources.native import NativeModel
from transformer_lens.model_bridge.sources.native.init import initialize_native_model

from benchmark.subject.native import FusedAttention


def build_model(
    architecture: Mapping[str, Any], seed: int, dropout: float = 0.0, *, fused: bool = True
) -> nn.Module:
    """Return a freshly initialised model: token ids `[batch, pos]` to logits `[batch, pos,
    d_vocab]`.

    It is TransformerLens's own native module, so its weights are loaded by `boot_native` as they
    are.

    Args:
        architecture: what `config.json` says.
        seed: decides the weights.
        dropout: while training, of what each sublayer adds to the residual stream.
        fused: compute attention by PyTorch's fused kernel: the same result, in half the time.
    """
    config = TransformerBridgeConfig(**architecture, seed=seed)
    torch.manual_seed(seed)
    model = NativeModel(config)
    initialize_native_model(model, config)
    for block in cast(Any, model.layers):
        if fused:
            block.attn.__class__ = FusedAttention
        if dropout:
            for module in (block.attn.o, block.mlp.fc_out):
                module.register_forward_hook(
                    lambda module, _, output: nn.functional.dropout(
                        output, dropout, module.training
                    )
                )
    return cast(nn.Module, model)
