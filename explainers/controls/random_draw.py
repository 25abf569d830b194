"""Control `random`: activations drawn from the neuron's distribution, whatever the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.interface import (
    EXEMPLARS_AND_SAMPLE,
    Evidence,
    Failure,
    SubjectModel,
    text_mask,
)
from explainers.controls.hashing import key_of, prefix_hashes, uniform
from explainers.float32 import decimals

# Quantiles of which the distribution is made up. Their levels are 1 - (1 - i/64)^4, close together
# at the top, where a sparse neuron's activations are.
N_STEPS = 64
# Numbers drawn at once, which bounds the 64-bit integers in between.
DRAWS_AT_ONCE = 1 << 20
NEURONS_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class RandomExplanation:
    """Activations drawn by a hash of seed, layer, neuron and the tokens since the context start.

    Attributes:
        seed, layer, neuron: what else the draw depends on.
        quantiles: the neuron's activations at rising levels, raw units, `[65]`.
    """

    text_is_complete: ClassVar[bool] = False

    seed: int
    layer: int
    neuron: int
    quantiles: Float[Tensor, " q"]

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Draw once per token, `[batch, pos]`, raw units; the same every time."""
        return _draw([self], tokens)[..., 0]

    def describe(self) -> str:
        """Show the distribution that is drawn from."""
        levels = _levels()
        shown = [int(np.searchsorted(levels, level)) for level in (0.5, 0.9, 0.99, 0.999)]
        parts = [f"{levels[at]:.2%}: {self.quantiles[at].item():.4g}" for at in shown]
        return (
            f"drawn at random (seed {self.seed}), whatever the text, from the neuron's activations:"
            f"\n{', '.join(parts)}, largest: {self.quantiles[-1].item():.4g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return seed, layer, neuron and the quantiles."""
        return {
            "seed": self.seed,
            "layer": self.layer,
            "neuron": self.neuron,
            "quantiles": decimals(self.quantiles),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RandomExplanation:
        """Return the explanation that `to_dict` saved; it draws exactly the same.

        Raises:
            ValueError: the number of quantiles is another.
        """
        quantiles = torch.tensor(data["quantiles"], dtype=torch.float32)
        if quantiles.shape != (N_STEPS + 1,):
            raise ValueError(f"{quantiles.numel()} quantiles instead of {N_STEPS + 1}")
        return cls(int(data["seed"]), int(data["layer"]), int(data["neuron"]), quantiles)


class Random:
    """Control: the right distribution at the wrong places; what chance alone scores.

    The distribution is that of the sample, or of the exemplars if there is no sample.
    """

    explanation_class: ClassVar[type[Any]] = RandomExplanation
    evidence = EXEMPLARS_AND_SAMPLE

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def explain(
        self,
        evidence: Evidence,
        subject: SubjectModel,  # noqa: ARG002
    ) -> list[RandomExplanation | Failure]:
        """Return each neuron's distribution; a neuron whose activations are not finite fails."""
        explanations: list[RandomExplanation | Failure] = []
        for rows in torch.split(torch.arange(evidence.n_neurons), NEURONS_AT_ONCE):
            for row, quantiles in zip(rows.tolist(), _quantiles(evidence, rows), strict=True):
                if torch.isfinite(quantiles).all():
                    neuron = int(evidence.neurons[row])
                    explanations.append(
                        RandomExplanation(self.seed, evidence.layer, neuron, quantiles)
                    )
                else:
                    explanations.append(Failure("the evidence has activations not finite, or none"))
        return explanations

    def simulate_block(
        self, explanations: Sequence[RandomExplanation], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos n"]:
        """Simulate all neurons at once; the tokens are hashed only once."""
        return _draw(explanations, tokens)


def _levels() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the levels of the quantiles: those at which `_draw` finds them at whole steps."""
    levels: np.ndarray[Any, np.dtype[np.float64]] = 1 - (1 - np.arange(N_STEPS + 1) / N_STEPS) ** 4
    return levels


def _quantiles(evidence: Evidence, rows: Int[Tensor, " r"]) -> list[Float[Tensor, " q"]]:
    """Return each neuron's activations at the levels of the quantiles, BOS left out."""
    if evidence.sample is not None:
        text = text_mask(evidence.sample.tokens, evidence.bos)
        columns = evidence.sample.activations[..., rows.to(evidence.sample.activations.device)]
        found = list(columns[text].T)
    else:
        text = text_mask(evidence.exemplars.tokens, evidence.bos)
        found = [evidence.exemplars.activations[row][text[row]] for row in rows.tolist()]
    return [_quantiles_of(activations) for activations in found]


def _quantiles_of(activations: Float[Tensor, " t"]) -> Float[Tensor, " q"]:
    if not len(activations):
        return torch.full((N_STEPS + 1,), torch.nan)
    # NumPy sorts several times faster than torch here.
    ordered = np.sort(activations.float().cpu().numpy()).astype(np.float64)
    places = _levels() * (len(ordered) - 1)
    found = np.interp(places, np.arange(len(ordered)), ordered)
    return torch.from_numpy(found.astype(np.float32))


def _draw(
    explanations: Sequence[RandomExplanation], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos n"]:
    device, n = tokens.device, len(explanations)
    keys = torch.tensor([key_of(one.seed, one.layer, one.neuron) for one in explanations])
    keys = keys.to(device)
    quantiles = torch.stack([one.quantiles for one in explanations]).to(device)
    first = torch.arange(n, device=device) * (N_STEPS + 1)
    drawn = torch.empty(*tokens.shape, n, device=device)
    contexts = max(1, DRAWS_AT_ONCE // max(1, n * tokens.shape[1]))
    for start in range(0, len(tokens), contexts):
        part = slice(start, start + contexts)
        level = uniform(prefix_hashes(tokens[part])[..., None], keys)
        # The inverse of the quantiles' levels. Only operations that round to the nearest float are
        # used, so that a neuron drawn alone and among others gets the same number to the last bit.
        place = N_STEPS * (1 - (1 - level).sqrt().sqrt())
        step = place.floor().clamp_(max=N_STEPS - 1)
        lower = first + step.long()
        below, above = quantiles.take(lower), quantiles.take(lower + 1)
        drawn[part] = below + (place - step) * (above - below)
    return drawn
