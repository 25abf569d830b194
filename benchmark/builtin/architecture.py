"""The shapes of the built-in subjects."""

from __future__ import annotations

from typing import Any

from benchmark.subject.tokenizer import BUILTIN_BOS

BOS_TOKEN = BUILTIN_BOS

_SHARED: dict[str, Any] = {
    "architecture": "TransformerLensNative",
    "normalization_type": "LN",
    "positional_embedding_type": "rotary",
    "n_ctx": 256,
    "d_vocab": 4096,
}

# By the subject's name, the `config.json` of a folder in the built-in layout: what
# TransformerLens's `boot_native` needs to build the model. `solu_ln` is SoLU followed by the
# LayerNorm inside the MLP, as in Anthropic's and Nanda's SoLU models; `gelu` is the exact GELU,
# without a norm in the MLP.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "solu-tiny": {
        **_SHARED,
        "act_fn": "solu_ln",
        "n_layers": 4,
        "d_model": 256,
        "d_mlp": 1024,
        "n_heads": 4,
        "d_head": 64,
    },
    "gelu-tiny": {
        **_SHARED,
        "act_fn": "gelu",
        "n_layers": 3,
        "d_model": 192,
        "d_mlp": 768,
        "n_heads": 4,
        "d_head": 48,
    },
}


def folder_name(subject: str) -> str:
    """Return the name of a built-in subject's folder in `benchmark/builtin`."""
    return subject.replace("-", "_")
