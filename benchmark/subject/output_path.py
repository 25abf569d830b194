"""Output path: modules from MLPs to the logits, and the matrices and scales that they apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmark.errors import BenchmarkError


@dataclass(frozen=True)
class OutputPath:
    """The modules that neurons pass through on their way to the logits.

    Attributes:
        blocks: the blocks, first to last.
        down: for each layer, the MLP's down projection; it writes into the residual stream.
        after: for each layer, a norm between the down projection and the stream, or None.
        final_norm: the norm before the unembedding.
        unembed: the unembedding.
    """

    blocks: list[nn.Module]
    down: list[nn.Module]
    after: list[nn.Module | None]
    final_norm: nn.Module
    unembed: nn.Module


def output_path_of(bridge: Any, plain: nn.Module) -> OutputPath | None:
    """Return the modules of the plain model between the neurons and the logits.

    None for an architecture in which TransformerLens does not name them.
    """
    translate = bridge.adapter.translate_transformer_lens_path

    def module(path: str) -> nn.Module:
        return plain.get_submodule(translate(path))

    layers = range(len(bridge.blocks))
    try:
        return OutputPath(
            blocks=[module(f"blocks.{layer}") for layer in layers],
            down=[module(f"blocks.{layer}.mlp.out") for layer in layers],
            after=[
                module(f"blocks.{layer}.ln2_post")
                if "ln2_post" in bridge.blocks[layer].submodules
                else None
                for layer in layers
            ],
            final_norm=module("ln_final"),
            unembed=module("unembed"),
        )
    except (AttributeError, ValueError):
        return None


def matrix_of(module: nn.Module) -> Float[Tensor, "inputs outputs"] | None:
    """Return the matrix that a linear module multiplies its inputs by, float32.

    None where it is no matrix of plain numbers, as in a quantised module.
    """
    weight = getattr(module, "weight", None)
    if not (isinstance(weight, Tensor) and weight.ndim == 2 and weight.is_floating_point()):
        return None
    # GPT-2's Conv1D keeps its matrix the other way round.
    facing = weight if type(module).__name__ == "Conv1D" else weight.T
    return facing.float()


def norm_scale(
    norm: nn.Module, width: int, device: torch.device, dtype: torch.dtype
) -> tuple[Float[Tensor, " width"], bool]:
    """Return what a norm multiplies each dimension by, and whether it subtracts the mean.

    Measured on a vector that is normal already, because architectures keep their weights in
    different ways (as w, as 1 + w, or not at all).
    """
    probe = torch.ones(width)
    probe[1::2] = -1
    if width % 2:  # still of mean 0 and mean square 1
        probe[-3:] = torch.tensor([1.0, -0.5, -0.5]) * 2**0.5
    probe = probe.to(device, dtype)
    up, down, shifted = norm(torch.stack([probe, -probe, probe + 3])[None])[0].float()
    scale = (up - down) / (2 * probe.float())
    return scale, bool((shifted - up).abs().max() <= 0.01 * up.abs().max())


def require_matrix(
    weights: Float[Tensor, "inputs outputs"] | None, subject: str, what: str
) -> Float[Tensor, "inputs outputs"]:
    """Return a matrix that has to be known.

    Raises:
        BenchmarkError: it is None; the message names the subject and what it is the matrix of.
    """
    if weights is None:
        raise BenchmarkError(
            f"'{subject}' has no plain matrix as {what}: direct effects are not known."
        )
    return weights
