"""Fingerprints of subjects: their weights, their architecture, their site and their units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

# Written by whoever saved the checkpoint; they say nothing about what the model computes.
NOT_ABOUT_THE_COMPUTATION = {
    "_name_or_path",
    "architectures",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}


def weights_fingerprint(
    model: nn.Module, config: Mapping[str, Any], *, kind: str, site: str, units: str = ""
) -> str:
    """Return the SHA-256, in hex, of everything that determines a subject's activations.

    Args:
        model: the module with its weights as loaded, in the precision it runs in.
        config: the checkpoint's `config.json`.
        kind: which loader reads the two.
        site: the tensor that units are read from.
        units: the fingerprint of the units; empty where model and site determine them.
    """
    digest = hashlib.sha256()
    relevant = {key: config[key] for key in config if key not in NOT_ABOUT_THE_COMPUTATION}
    head: dict[str, Any] = {"kind": kind, "site": site, "config": relevant}
    if units:
        head["units"] = units
    digest.update(json.dumps(head, sort_keys=True).encode())
    for name, parameter in sorted(model.named_parameters()):
        values = parameter.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {list(values.shape)}".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any, bos: int) -> str:
    """Return the SHA-256, in hex, of everything that determines a fast tokenizer's ids."""
    digest = hashlib.sha256(f"bos {bos} ".encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()
