"""Replacements of neurons: the simulation and the ablations, and which of these to run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.results.columns import ABLATIONS

# Place of the variants in every tensor: the simulation, then the ablations in their order.
SIMULATED = 0
N_VARIANTS = 1 + len(ABLATIONS)
# Part of a neuron's largest activation below which two activations differ by rounding alone: the
# last digits of an activation depend on the batch that it was computed in.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Variants:
    """Replacements of the same neurons at the same places, and which passes they need.

    Attributes:
        values: raw units, `[variants, s, ctx, k]`.
        to_run: replacements that need a pass of their own, `[variants, s]`. One that changes
            nothing needs none, and a simulation that equals an ablation shares that one's: this
            is what makes a perfect simulation score exactly 1 and an ablation exactly 0.
        shared: for each variant and place, the variant whose pass it takes, `[variants, s]`;
            -1 where it is the untouched subject.
    """

    values: Float[Tensor, "v s ctx k"]
    to_run: Bool[Tensor, "v s"]
    shared: Int[Tensor, "v s"]

    def measured(
        self, found: Float[Tensor, " jobs"], untouched: Float[Tensor, " s"]
    ) -> Float[Tensor, "v s"]:
        """Return what was measured of each replacement.

        Args:
            found: for each true entry of `to_run`, in its order.
            untouched: of the subject as it is.
        """
        of_runs = torch.zeros(self.to_run.shape, dtype=found.dtype)
        of_runs[self.to_run] = found
        taken = of_runs.gather(0, self.shared.clamp(min=0))
        return torch.where(self.shared < 0, untouched, taken)


def variants_of(
    simulated: Float[Tensor, "s ctx k"],
    own: Float[Tensor, "s ctx k"],
    mean: Float[Tensor, "s k"],
    maximum: Float[Tensor, "s k"],
    text: Bool[Tensor, "s ctx"],
) -> Variants:
    """Return the simulation, the mean-ablation and the zero-ablation of neurons at some places.

    On BOS the neurons stay as they are, and so they do where a replacement differs from them by
    no more than rounding.

    Args:
        simulated: what the explanations predict, raw units.
        own: what the neurons do.
        mean: their mean activation on the `explain` split.
        maximum: their largest activation there.
        text: where a token is not BOS.
    """
    ablated = {"mean": mean, "zero": torch.zeros_like(mean)}
    constant = [ablated[name][:, None, :].expand_as(own) for name in ABLATIONS]
    values = torch.stack([simulated, *constant])
    rounding = ROUNDING * maximum.abs()[:, None, :]
    replaced = text[..., None] & ((values - own).abs() > rounding)
    values = torch.where(replaced, values, own)
    n_places = len(own)
    shared = torch.arange(N_VARIANTS)[:, None].repeat(1, n_places)
    for ablation in range(1, N_VARIANTS):
        same = (values[SIMULATED] == values[ablation]).flatten(1).all(1)
        shared[SIMULATED][same & (shared[SIMULATED] == SIMULATED)] = ablation
    shared[~replaced.flatten(2).any(2)] = -1
    to_run = shared == torch.arange(N_VARIANTS)[:, None]
    return Variants(values, to_run, shared)
