"""Max-examples explanation: the exemplars and the activations there."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from explainers.float32 import decimals
from explainers.max_examples.describe import describe
from explainers.max_examples.matching import COMBINE, Matching, Remembered, predict
from explainers.shown_texts import TextOf


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

    text_is_complete: ClassVar[bool] = False

    remembered: Remembered
    matching: Matching
    max_activation: float
    texts: Mapping[int, str] = field(default_factory=dict)

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Match every token, `[batch, pos]`, raw units, on the tokens' device."""
        found = predict([self.remembered], tokens.cpu().numpy(), self.matching)
        return torch.from_numpy(found[..., 0]).to(tokens.device)

    def describe(self) -> str:
        """Show the strongest exemplars around their peaks, tokens marked by activation."""
        return self.describe_with(lambda token: self.texts.get(token, f"#{token}"))

    def describe_with(self, text_of: TextOf) -> str:
        """Describe it with the texts of tokens from somewhere else."""
        return describe(self.remembered, self.matching.bos, self.max_activation, text_of)

    def to_dict(self) -> dict[str, Any]:
        """Return options, exemplars and activations, and under `shown` the texts of tokens."""
        activations = torch.from_numpy(self.remembered.activations)
        return {
            "resting": self.remembered.resting,
            "bos": self.matching.bos,
            "longest": self.matching.longest,
            "shortest": self.matching.shortest,
            "combine": self.matching.combine,
            "tokens": self.remembered.tokens.tolist(),
            "activations": [decimals(row) for row in activations],
            SHOWN: {
                "max_activation": self.max_activation,
                "texts": {str(token): text for token, text in self.texts.items()},
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MaxExamplesExplanation:
        """Return the explanation that `to_dict` or an earlier version saved.

        Raises:
            ValueError: tokens and activations do not belong together, or a number is not finite.
        """
        tokens, activations = _arrays(data)
        if tokens.ndim != 2 or tokens.shape != activations.shape:
            raise ValueError(
                f"exemplars of shape {list(tokens.shape)} with activations of shape "
                f"{list(activations.shape)}"
            )
        shown, resting = data.get(SHOWN, data), float(data["resting"])
        if not (np.isfinite(activations).all() and math.isfinite(resting)):
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
            float(shown.get("max_activation", 0)),
            {int(token): str(text) for token, text in shown.get("texts", {}).items()},
        )


def _arrays(
    data: Mapping[str, Any],
) -> tuple[Int[np.ndarray, "k ctx"], Float[np.ndarray, "k ctx"]]:
    """Return tokens and activations, also of an earlier version, which saved bytes in base 64."""
    if "shape" not in data:
        tokens = np.array(data["tokens"], dtype=np.int64)
        return tokens, np.array(data["activations"], dtype=np.float32)
    kind, ids = data["tokens"]
    shape = [int(size) for size in data["shape"]]
    arrays = [
        np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype).reshape(shape)
        for text, dtype in ((ids, kind), (data["activations"], "<f4"))
    ]
    return arrays[0].astype(np.int64), arrays[1].astype(np.float32)
