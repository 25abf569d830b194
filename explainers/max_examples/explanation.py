"""What the max-activating examples say about a neuron: the exemplars and what it did there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from explainers.max_examples.describe import describe
from explainers.max_examples.matching import COMBINE, Matching, Remembered, predict
from explainers.packed import FLOAT, pack, smallest_kind, unpack


@dataclass(frozen=True, eq=False)
class MaxExamplesExplanation:
    """A neuron as its exemplars.

    Attributes:
        remembered: the exemplars, strongest first, the true activations there, and the resting
            value.
        matching: what counts as a match.
        max_activation: the neuron's largest activation, raw units.
        texts: tokens as a person can read them, of those that the description may show.
    """

    remembered: Remembered
    matching: Matching
    max_activation: float
    texts: Mapping[int, str] = field(default_factory=dict)

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Match every token, `[batch, pos]`, raw units, on the tokens' device."""
        found = predict([self.remembered], tokens.cpu().numpy(), self.matching)
        return torch.from_numpy(found[..., 0]).to(tokens.device)

    def describe(self) -> str:
        """The strongest exemplars around their peaks, tokens marked by activation."""
        return describe(self)

    def to_dict(self) -> dict[str, Any]:
        """Options and numbers; exemplars are packed row by row (see `explainers.packed`).

        `tokens` holds unsigned integers of the type that stands before them, `activations` float32.
        """
        tokens = self.remembered.tokens
        kind = smallest_kind(tokens)
        return {
            "max_activation": self.max_activation,
            "resting": self.remembered.resting,
            "bos": self.matching.bos,
            "longest": self.matching.longest,
            "shortest": self.matching.shortest,
            "combine": self.matching.combine,
            "shape": list(tokens.shape),
            "tokens": [kind, pack(tokens, kind)],
            "activations": pack(self.remembered.activations, FLOAT),
            "texts": {str(token): text for token, text in self.texts.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MaxExamplesExplanation:
        """The explanation that `to_dict` saved; it simulates exactly the same.

        Raises:
            ValueError: the arrays are damaged, or a number is not finite.
        """
        shape = tuple(int(size) for size in data["shape"])
        if len(shape) != 2:
            raise ValueError(f"exemplars have two dimensions, not {list(shape)}")
        kind, packed = data["tokens"]
        tokens = unpack(packed, kind, shape).astype("int64")
        activations = unpack(data["activations"], FLOAT, shape)
        resting, maximum = float(data["resting"]), float(data["max_activation"])
        if not (torch.from_numpy(activations).isfinite().all() and math.isfinite(resting)):
            raise ValueError("an activation is not finite")
        if data["combine"] not in COMBINE:
            raise ValueError(f"matches cannot be combined by '{data['combine']}'")
        longest = data["longest"]
        return cls(
            Remembered(tokens, activations, resting),
            Matching(
                int(data["bos"]),
                None if longest is None else int(longest),
                int(data["shortest"]),
                str(data["combine"]),
            ),
            maximum,
            {int(token): str(text) for token, text in data["texts"].items()},
        )
