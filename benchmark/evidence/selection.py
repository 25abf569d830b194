"""Choice of the neurons that a run is about, and the one criterion of a living neuron.

**The criterion.** A neuron's *reach* is the most that it ever adds to the residual stream: how far
its largest activation on the `explain` split lies above its mean, times the length of its output
weights, with the norms between the two folded in. A neuron that is never above zero has none. A
neuron is *dead* if its reach is below 3 % of the average reach of its layer's neurons.

Its largest contribution decides, not its variance: a neuron that fires on one token in a million,
but strongly, is alive; one that is weak on every token is not. A few very strong or many dead
neurons move the average reach of a layer far less than they move its variance. Where a SoLU layer
has neurons that never win the softmax, the distribution of reach has two modes, and 3 % lies
between them, as the histograms in the model cards of the built-in subjects show.

Left out of it: what a norm divides by at each token. In SoLU models the LayerNorm behind the
neurons shrinks a strong token's activations, so strong neurons reach less far than is said here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.evidence.profile import LayerProfile

# Of the average reach of its layer's neurons; a neuron that reaches less far is dead.
DEAD_FRACTION = 0.03
# The criterion in words, for messages and pages.
DEAD_MEANS = (
    "never above zero on the explain split, or its largest contribution to the residual stream "
    f"there is below {100 * DEAD_FRACTION:g} % of its layer's average"
)


@dataclass(frozen=True)
class Selection:
    """The neurons of one layer that a run is about, and which neurons of the layer are dead.

    Attributes:
        layer: the layer.
        neurons: their indices, `[n]`, ascending if they were drawn.
        dead: for every neuron of the layer whether it is dead, `[n_units]`.
    """

    layer: int
    neurons: Int[Tensor, " n"]
    dead: Bool[Tensor, " n_units"]

    @property
    def n_dead(self) -> int:
        """Number of dead neurons in the layer."""
        return int(self.dead.sum())

    @property
    def dead_neurons(self) -> list[int]:
        """Return those of `neurons` that are dead: none, unless they were named."""
        return [neuron for neuron in self.neurons.tolist() if self.dead[neuron]]


def relative_reach(
    profile: LayerProfile, output_norms: Float[Tensor, " n_units"]
) -> Float[Tensor, " n_units"]:
    """Return each neuron's reach as a part of the average reach of its layer, float64.

    Zeros where no neuron of the layer reaches anywhere.

    Args:
        profile: of the layer on the `explain` split.
        output_norms: the length of each neuron's output weights.
    """
    largest = profile.max_activation.double()
    above = (largest - profile.mean_activation.double()).masked_fill(largest <= 0, 0)
    reach = above * output_norms.double()
    return reach / reach.mean().clamp_min(torch.finfo(reach.dtype).tiny)


def dead_neurons(
    profile: LayerProfile, output_norms: Float[Tensor, " n_units"]
) -> Bool[Tensor, " n_units"]:
    """Return which neurons of a layer are dead; the module says what that means.

    Args:
        profile: of the layer on the `explain` split.
        output_norms: the length of each neuron's output weights.
    """
    return relative_reach(profile, output_norms) < DEAD_FRACTION


def draw_order(n_units: int, layer: int, key: str) -> Int[np.ndarray, " n_units"]:
    """Return the neurons of a layer in the order in which they are drawn, dead ones among them."""
    seed = hashlib.sha256(f"{key}:{layer}".encode()).digest()
    return np.random.default_rng(list(seed)).permutation(n_units)


def draw_neurons(
    dead: Bool[Tensor, " n_units"], layer: int, per_layer: int | None, key: str
) -> Selection:
    """Draw up to `per_layer` living neurons (None: all) by a permutation that `key` decides.

    Drawing more neurons with the same key keeps those drawn before.
    """
    order = draw_order(len(dead), layer, key)
    living = torch.from_numpy(order[~dead.numpy()[order]])
    chosen = living if per_layer is None else living[:per_layer]
    return Selection(layer, chosen.sort().values, dead)
