"""Description: a sentence of clues, and nothing that the sentence does not say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from benchmark.vocabulary import Vocabulary
from explainers.describe.positions import Positions
from explainers.describe.text import MOST, TENTHS, Clue, read_text, write_text

LEVELS = 10 * TENTHS


@dataclass(frozen=True)
class Description:
    """A neuron as a sentence: the longest clue that ends at a token decides.

    It simulates itself; a simulator that reads text can be given its `text` instead.

    Attributes:
        max_activation: the neuron's largest activation, raw units, with four digits.
        elsewhere: what is predicted where no clue is, tenths of a level.
        clues: in the order of the sentence, no two about the same tokens.
        text: the sentence.
    """

    text_is_complete: ClassVar[bool] = True

    max_activation: float
    elsewhere: int
    clues: tuple[Clue, ...]
    text: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.max_activation) or abs(self.elsewhere) > MOST:
            raise ValueError("a number is out of range")

    @classmethod
    def made(
        cls, maximum: float, elsewhere: int, clues: Sequence[Clue], vocabulary: Vocabulary
    ) -> Description:
        """Return the description with these clues."""
        maximum = float(f"{maximum:.4g}")
        text = write_text(maximum, elsewhere, clues, vocabulary)
        return cls(maximum, elsewhere, tuple(clues), text)

    @classmethod
    def from_text(cls, text: str, vocabulary: Vocabulary) -> Description:
        """Return the description that a sentence was written from.

        Raises:
            ValueError: it cannot be read.
        """
        maximum, elsewhere, clues = read_text(text, vocabulary)
        return cls(maximum, elsewhere, tuple(clues), text)

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Predict what the longest clue says that ends at each token, raw units."""
        return simulate_together([self], tokens)[..., 0]

    def describe(self) -> str:
        """Return the sentence."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return levels and tokens, and under `shown` the sentence."""
        return {
            "max_activation": self.max_activation,
            "elsewhere": self.elsewhere,
            "clues": [[one.level, *one.tokens] for one in self.clues],
            SHOWN: {"text": self.text},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Description:
        """Return the description that `to_dict` saved.

        Raises:
            ValueError: a number or a clue is damaged.
        """
        clues = tuple(Clue(int(level), tuple(map(int, ids))) for level, *ids in data["clues"])
        text = str(data.get(SHOWN, {}).get("text", ""))
        return cls(float(data["max_activation"]), int(data["elsewhere"]), clues, text)


def simulate_together(
    descriptions: Sequence[Description], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos n"]:
    """Simulate many on one text, whose tokens are sorted once; exactly what each gives alone."""
    text = Positions(tokens.cpu().numpy())
    found = np.empty((len(descriptions), len(text)), dtype=np.float32)
    for row, one in zip(found, descriptions, strict=True):
        row[:] = one.max_activation * one.elsewhere / LEVELS
        for clue in sorted(one.clues, key=lambda each: len(each.tokens)):
            row[text.find(clue.tokens)] = one.max_activation * clue.level / LEVELS
    together = torch.from_numpy(found).reshape(len(descriptions), *tokens.shape)
    return together.permute(1, 2, 0).to(tokens.device)
