"""Where n-grams end in a text, found from the places of their last token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


class Positions:
    """The positions of every token of a text, to find n-grams by.

    An n-gram lies within one context. Positions are those of its last token in the flattened text.
    """

    def __init__(self, tokens: Int[np.ndarray, "batch pos"]) -> None:
        """Sort the positions by token."""
        self.width = max(1, tokens.shape[-1])
        self._flat = tokens.reshape(-1)
        self._order = np.argsort(self._flat, kind="stable")
        self._sorted = self._flat[self._order]

    def __len__(self) -> int:
        """Return the number of positions."""
        return len(self._flat)

    def find(self, ngram: Sequence[int]) -> Int[np.ndarray, " found"]:
        """Return where an n-gram ends, ascending."""
        first, last = np.searchsorted(self._sorted, [ngram[-1], ngram[-1] + 1])
        found = self._order[first:last]
        if len(ngram) > 1:
            found = found[found % self.width >= len(ngram) - 1]
        for back, token in enumerate(reversed(ngram[:-1]), start=1):
            found = found[self._flat[found - back] == token]
        return found
