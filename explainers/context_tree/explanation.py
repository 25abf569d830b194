"""Context tree explanation: a value for every n-gram that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from benchmark.vocabulary import Vocabulary
from explainers.context_tree.describe import Shown, describe
from explainers.context_tree.matching import Text
from explainers.context_tree.old_form import decode_tree
from explainers.context_tree.text import read_text
from explainers.context_tree.tree import TreeLevel, levels_from_lists, levels_to_lists


@dataclass(frozen=True, eq=False)
class ContextTreeExplanation:
    """A tree of n-grams, read backwards from the current one.

    Attributes:
        root: the prediction where no n-gram matches, raw units; a float32.
        step: what 1 stands for in the values of the nodes, raw units; a float32.
        levels: the nodes by the length of their n-gram.
        shown: for a person, the contexts that explain most of the variance.
        text: the complete text; None for a tree that is too large to be read.
    """

    root: float
    step: float
    levels: Sequence[TreeLevel]
    shown: Shown = field(default_factory=Shown)
    text: str | None = None

    @property
    def text_is_complete(self) -> bool:
        """Return whether `describe` says all that simulates."""
        return self.text is not None

    @classmethod
    def from_text(cls, text: str, vocabulary: Vocabulary) -> ContextTreeExplanation:
        """Return the explanation that a complete text describes.

        Raises:
            ValueError: a line cannot be read, or a context is there twice.
        """
        return cls(*read_text(text, vocabulary), text=text)

    @property
    def n_nodes(self) -> int:
        """Return the number of n-grams that have a value."""
        return sum(level.size for level in self.levels)

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Predict the value of the longest n-gram that ends at each token, raw units."""
        return simulate_together([self], tokens)[..., 0]

    def describe(self) -> str:
        """Show the whole tree or, if that is no text, the contexts that explain most variance."""
        if self.text is not None:
            return self.text
        return describe(self.shown, self.n_nodes, self.root, self.step)

    def to_dict(self) -> dict[str, Any]:
        """Return the tree level by level, and under `shown` what `describe` needs besides."""
        return {
            "root": self.root,
            "step": self.step,
            "levels": levels_to_lists(self.levels),
            SHOWN: self.shown.to_dict() if self.text is None else {"text": self.text},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ContextTreeExplanation:
        """Return the explanation that `to_dict` or an earlier version saved.

        Raises:
            ValueError: the tree is damaged.
        """
        text = None
        if "tree" in data:
            levels = decode_tree(str(data["tree"]))
            shown = {"texts": data["texts"], "contexts": data["shown"]}
        else:
            levels = levels_from_lists(data["levels"])
            shown = data.get(SHOWN, {})
            text = shown.get("text")
        return cls(
            float(data["root"]),
            float(data["step"]),
            levels,
            Shown.from_dict(shown),
            None if text is None else str(text),
        )


def simulate_together(
    explanations: Sequence[ContextTreeExplanation], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos n"]:
    """Simulate several trees on one text, whose n-grams are found only once."""
    depth = max((len(one.levels) for one in explanations), default=0)
    text = Text(tokens.cpu(), depth)
    found = np.empty((len(explanations), tokens.numel()), dtype=np.float32)
    for row, one in zip(found, explanations, strict=True):
        np.multiply(text.values(one.levels), np.float32(one.step), out=row, casting="unsafe")
        row += np.float32(one.root)
    together = torch.from_numpy(found).reshape(len(explanations), *tokens.shape)
    return together.permute(1, 2, 0).to(tokens.device)
