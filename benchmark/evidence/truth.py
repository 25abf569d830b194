"""True activations on held-out text, and the scoring sets they are arranged in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.evidence.small import SmallSet
from benchmark.results.columns import NOVEL, SCORING_SETS, SHARED_SETS, TOP, UNIFORM_SMALL

NOVEL_LENGTH = 8
"""A token is novel if the last eight tokens, itself among them, are nowhere in `explain`."""


@dataclass(frozen=True)
class Truth:
    """What a block of neurons truly does on `held_out` text.

    Attributes:
        bos: the id of the BOS token, whose positions are never scored.
        tokens: the contexts that any scoring set uses, `[u, ctx]`.
        uniform: the rows of `tokens` in the `uniform` set, the same for all neurons, `[m]`.
        top: the rows of each neuron's own strongest contexts, strongest first, `[n, k]`.
        uniform_activations: raw units, `[n, m, ctx]`.
        top_activations: raw units, `[n, k, ctx]`.
        novel: which tokens of the `uniform` set are in the `novel` set, `[m, ctx]`.
        documents: the document that each token of the `uniform` set belongs to, `[m, ctx]`.
        predicted: the tokens of `tokens` that are scored because a simulator predicted them, one
            mask where they are the same for all neurons; None for all.
        small: the `uniform_small` set; None for none.
        sets: the scoring sets that are scored: all, unless a simulator predicts some alone.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1", "0.8"], **quick)
        >>> truth = experiment.truth("0.1")
        >>> tuple(truth.uniform_activations.shape) == (1, *truth.tokens[truth.uniform].shape)
        True
    """

    bos: int
    tokens: Int[Tensor, "u ctx"]
    uniform: Int[Tensor, " m"]
    top: Int[Tensor, "n k"]
    uniform_activations: Float[Tensor, "n m ctx"]
    top_activations: Float[Tensor, "n k ctx"]
    novel: Bool[Tensor, "m ctx"]
    documents: Int[Tensor, "m ctx"]
    predicted: Bool[Tensor, "#n u ctx"] | None = None
    small: SmallSet | None = None
    sets: Sequence[str] = SCORING_SETS

    @property
    def n_random(self) -> int:
        """Return contexts that `top_and_random` adds to each neuron's top ones."""
        return min(int(self.top.shape[1]), len(self.uniform))

    def rows(self, scoring_set: str) -> Int[Tensor, "n c"]:
        """Return rows of `tokens` that make up a scoring set, for each neuron."""
        n = len(self.top)
        if scoring_set in SHARED_SETS:
            return self._shared(scoring_set).expand(n, -1)
        if scoring_set == TOP:
            return self.top
        spread = torch.linspace(0, len(self.uniform) - 1, self.n_random).long()
        return torch.cat([self.top, self.uniform[spread].expand(n, -1)], dim=1)

    def activations(self, scoring_set: str) -> Float[Tensor, "n c ctx"]:
        """Return the true activations on a scoring set, in the order of `rows`."""
        if scoring_set == UNIFORM_SMALL:
            none = self.uniform_activations[:, :0]
            return none if self.small is None else self.small.activations
        if scoring_set in SHARED_SETS:
            return self.uniform_activations
        if scoring_set == TOP:
            return self.top_activations
        spread = torch.linspace(0, len(self.uniform) - 1, self.n_random).long()
        return torch.cat([self.top_activations, self.uniform_activations[:, spread]], dim=1)

    def scored(self, scoring_set: str) -> Bool[Tensor, "#n c ctx"]:
        """Return which tokens of a scoring set are scored, in the order of `rows`.

        One mask, `[1, m, ctx]`, where all neurons share the set and what is predicted of it. None
        are of a set that is not among `sets`.
        """
        shared = scoring_set in SHARED_SETS
        rows = self._shared(scoring_set)[None] if shared else self.rows(scoring_set)
        text = self.tokens[rows] != self.bos
        if scoring_set == NOVEL:
            text = self.novel[None]
        elif scoring_set == UNIFORM_SMALL and self.small is not None:
            text = self.small.text[None]
        if scoring_set not in self.sets:
            return torch.zeros(1, *text.shape[1:], dtype=torch.bool)
        if self.predicted is None:
            return text
        neuron = torch.arange(max(len(self.predicted), len(rows)))[:, None]
        n = len(neuron)
        return text & self.predicted.expand(n, -1, -1)[neuron, rows.expand(n, -1)]

    def documents_of(self, scoring_set: str) -> Int[Tensor, "c ctx"]:
        """Return the document that each token of a set belongs to that all neurons share."""
        if scoring_set == UNIFORM_SMALL:
            return self.documents[:0] if self.small is None else self.small.documents
        return self.documents

    def wanted(self) -> Bool[Tensor, "u ctx"]:
        """Return which of `tokens` any of the sets that are scored needs of any neuron."""
        found = torch.zeros(self.tokens.shape, dtype=torch.bool)
        for scoring_set in self.sets:
            text, rows = self.scored(scoring_set), self.rows(scoring_set)
            for mask, own in zip(text.expand(len(rows), -1, -1), rows, strict=True):
                found[own] |= mask
                if len(text) == 1:
                    break
        return found

    def _shared(self, scoring_set: str) -> Int[Tensor, " c"]:
        if scoring_set == UNIFORM_SMALL:
            return self.uniform[:0] if self.small is None else self.small.rows
        return self.uniform


@dataclass(frozen=True)
class CalibrationTruth:
    """What a block of neurons truly does on contexts of the `calibrate` split.

    Attributes:
        bos: the id of the BOS token, whose positions count for nothing.
        tokens: the contexts, the same for all neurons, `[m, ctx]`.
        activations: raw units, `[n, m, ctx]`.
    """

    bos: int
    tokens: Int[Tensor, "m ctx"]
    activations: Float[Tensor, "n m ctx"]
