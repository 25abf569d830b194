"""Output weights of neurons: what each writes into the residual stream for an activation of one.

Norms between a neuron and the stream are folded in, and where the final norm subtracts the mean of
the stream, so is the mean of the weights. In SoLU models the LayerNorm inside the MLP is folded in
likewise. The scales that norms divide by depend on the text and are left out, so weights compare
neurons of a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject.site import SOLU_SITE, Outward

if TYPE_CHECKING:
    from benchmark.subject.subject import Subject


def output_weights(
    subject: Subject, outward: Outward, layer: int
) -> Float[Tensor, "d_mlp d_model"]:
    """Return what each neuron of a layer writes into the stream, norms folded, float32.

    Raises:
        BenchmarkError: the down projection is no matrix.
    """
    weights = matrix_of(outward.down[layer], subject.name)
    if subject.site == SOLU_SITE:
        scale, centred = norm_scale(subject._sites.modules[layer], len(weights), subject)
        weights = weights * scale[:, None]
        if centred:
            weights = weights - weights.mean(0)
    after = outward.after[layer]
    width = weights.shape[1]
    if after is not None:
        scale, centred = norm_scale(after, width, subject)
        weights = (weights - weights.mean(1, keepdim=True) if centred else weights) * scale
    if norm_scale(outward.final_norm, width, subject)[1]:
        weights = weights - weights.mean(1, keepdim=True)
    return weights


def output_norms(subject: Subject, layer: int) -> Float[Tensor, " d_mlp"]:
    """Return the length of each neuron's output weights; ones where they are not known.

    They are not known of neurons that are rules, of an architecture whose modules TransformerLens
    does not name, and of a down projection that is no matrix (a quantised one).
    """
    outward = subject._sites.outward
    if outward is None or not is_matrix(outward.down[layer]):
        return torch.ones(subject.d_mlp)
    with torch.no_grad():
        return output_weights(subject, outward, layer).norm(dim=1).cpu()


def is_matrix(module: nn.Module) -> bool:
    """Return whether a module multiplies its inputs by a matrix of plain numbers."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and weight.is_floating_point()


def matrix_of(module: nn.Module, subject: str) -> Float[Tensor, "inputs outputs"]:
    """Return the matrix that a linear module multiplies its inputs by, float32.

    Raises:
        BenchmarkError: it does not multiply by a matrix.
    """
    if not is_matrix(module):
        raise BenchmarkError(
            f"'{subject}' has a {type(module).__name__} instead of a matrix on the way from its "
            "neurons to its logits: direct effects are not known."
        )
    weight = module.weight
    assert isinstance(weight, Tensor)
    # GPT-2's Conv1D keeps its matrix the other way round.
    facing = weight if type(module).__name__ == "Conv1D" else weight.T
    return facing.float()


def norm_scale(
    norm: nn.Module, width: int, subject: Subject
) -> tuple[Float[Tensor, " width"], bool]:
    """Return what a norm multiplies each dimension by, and whether it subtracts the mean.

    Found by asking it about a vector that is normal already, because architectures keep their
    weights in different ways (as w, as 1 + w, or not at all).
    """
    probe = torch.ones(width)
    probe[1::2] = -1
    if width % 2:  # still of mean 0 and mean square 1
        probe[-3:] = torch.tensor([1.0, -0.5, -0.5]) * 2**0.5
    probe = probe.to(subject.device, subject.dtype)
    up, down, shifted = norm(torch.stack([probe, -probe, probe + 3])[None])[0].float()
    scale = (up - down) / (2 * probe.float())
    return scale, bool((shifted - up).abs().max() <= 0.01 * up.abs().max())
