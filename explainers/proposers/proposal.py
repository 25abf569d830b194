"""Proposals: tokens that could replace others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Int

Context = Int[np.ndarray, " pos"]
# Positions of a context: the first one and the one after the last.
Span = tuple[int, int]


@dataclass(frozen=True)
class Proposal:
    """Tokens proposed for a place of a context.

    Attributes:
        context: number of the context among those given.
        start, stop: the positions that are replaced.
        replacement: the ids that stand there instead, at least one.
    """

    context: int
    start: int
    stop: int
    replacement: tuple[int, ...]

    def length(self, tokens: Context) -> int:
        """Return how long the context is with the replacement in it."""
        return len(tokens) - (self.stop - self.start) + len(self.replacement)

    def put_into(self, tokens: Context) -> Context:
        """Return the context with the replacement in it."""
        new = np.array(self.replacement, dtype=np.int64)
        return np.concatenate([tokens[: self.start], new, tokens[self.stop :]])


class Proposer(Protocol):
    """Proposes likely substitutes."""

    def propose(
        self, contexts: Sequence[Context], places: Sequence[Sequence[Span]]
    ) -> list[Proposal]:
        """Propose substitutes for the given places of each context, never the original.

        Args:
            contexts: token ids, BOS first; they may differ in length.
            places: for each context the places to be replaced, none of them BOS.
        """
        ...
