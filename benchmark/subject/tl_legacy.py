"""Loader of the SoLU and GELU models, in repositories of TransformerLens's own older formats.

The library's loader lists the repository over the network even when everything is cached, and
fails on the `*_old` repositories, whose LayerNorm inside the MLP has no parameters. So its steps
are taken here one by one, on files that are already there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from transformer_lens.model_bridge.sources.tl_legacy import (
    derive_tl_legacy_config,
    fetch_tl_legacy_state_dict,
)
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

from benchmark.errors import BenchmarkError
from benchmark.files.checkpoint import Files, needed
from benchmark.files.hub import HubFiles
from benchmark.files.reading import first_line
from benchmark.subject.native import boot_native

FINAL_WEIGHTS = "final.pth"
# For a config.json that does not name its tokenizer.
TOKENIZER_OF_VOCABULARY = {
    48262: "NeelNanda/gpt-neox-tokenizer-digits",
    50278: "EleutherAI/gpt-neox-20b",
}


def read_config(files: Files) -> Any:
    """Return the TransformerBridgeConfig of a repository, as the library derives it.

    Raises:
        BenchmarkError: config.json is not what such a repository has.
    """
    needed(files, "config.json")
    try:
        with _library_reads(files, []):
            config = derive_tl_legacy_config(files.source)
    except KeyError as error:
        raise BenchmarkError(f"config.json of '{files.source}' has no {error}.") from error
    except Exception as error:
        raise BenchmarkError(
            f"config.json of '{files.source}' cannot be used: {first_line(error)}"
        ) from error
    if config.tokenizer_name is None:
        config.tokenizer_name = TOKENIZER_OF_VOCABULARY.get(config.d_vocab)
    return config


def boot(
    files: Files,
    weights: str,
    config: Any,
    tokenizer: Any,
    device: torch.device,
    dtype: torch.dtype,
) -> Any:
    """Return the TransformerBridge of a repository, weights loaded without unpickling objects.

    Raises:
        BenchmarkError: the weights are missing, damaged, or do not fit the config.
    """
    try:
        bridge = boot_native(config, tokenizer, device, dtype, files.source)
        with _library_reads(files, [weights]):
            state = fetch_tl_legacy_state_dict(files.source, config, dtype=dtype)
        converted = convert_tl_checkpoint(with_mid_layer_norms(state, config), config)
        if "unembed.bias" not in converted:  # as the library's own loader does
            converted["unembed.bias"] = torch.zeros(config.d_vocab, dtype=dtype)
        bridge.load_state_dict(converted, strict=True)
    except Exception as error:
        raise BenchmarkError(
            f"the weights of '{files.source}' cannot be loaded: {_first_lines(error)} "
            f"(in {files.folder / weights}; if the file is damaged, delete it and run again)"
        ) from error
    return bridge


def with_mid_layer_norms(state: dict[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Return the state dict with parameters for the LayerNorms inside the MLPs if it has none.

    The `*_old` repositories with 2 to 10 layers were trained with a LayerNorm that only
    normalises. Ones and zeros make the affine one that the library builds compute the same.
    """
    names = [f"blocks.{layer}.mlp.ln" for layer in range(config.n_layers)]
    if (config.act_fn or "").lower() != "solu_ln":
        return state
    if any(f"{name}.{part}" in state for name in names for part in "wb"):
        return state
    ones, zeros = torch.ones(config.d_mlp), torch.zeros(config.d_mlp)
    return {
        **state,
        **{f"{name}.w": ones for name in names},
        **{f"{name}.b": zeros for name in names},
    }


def fetch_weights(files: Files) -> str:
    """Have the final weights in the checkpoint's folder, and return their name there.

    Raises:
        BenchmarkError: there are none, or they cannot be obtained.
    """
    listings = [files.names]
    if isinstance(files, HubFiles):  # the listing asks the network; what is cached needs none
        listings.insert(0, files.cached_names)
    for listing in listings:
        if matches := [name for name in listing() if name.endswith(FINAL_WEIGHTS)]:
            needed(files, matches[0])
            return matches[0]
    raise files.missing(f"weights (*{FINAL_WEIGHTS})")


def _first_lines(error: Exception, characters: int = 300) -> str:
    if isinstance(error, KeyError):
        return first_line(error)
    text = " ".join(str(error).split())
    return text if len(text) <= characters else text[:characters] + " ..."


@contextmanager
def _library_reads(files: Files, names: list[str]) -> Iterator[None]:
    """Let the library's functions see files that are on disk already as the repository's."""

    def download(_: str, filename: str, **__: Any) -> str:
        return str(Path(files.folder) / filename)

    def listing(*_: Any, **__: Any) -> list[str]:
        return names

    with (
        patch("huggingface_hub.hf_hub_download", download),
        patch("huggingface_hub.HfApi.list_repo_files", listing),
    ):
        yield
