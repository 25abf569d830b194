"""Substitutes that the subject itself finds likely, given what stands to the left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import SubjectModel
from explainers.n2g.asking import distinct_rows
from explainers.n2g.examples import Example
from explainers.n2g.substitutes import Proposal


@runtime_checkable
class PredictsTokens(Protocol):
    """A subject that says which tokens it expects next."""

    def likely_next(self, tokens: Int[Tensor, "batch pos"], k: int) -> Int[Tensor, "batch pos k"]:
        """The likeliest ids after each position, likeliest first."""
        ...


class SubjectAugmenter:
    """Proposes what the subject expects at a place; one forward pass gives all places of a context.

    Args:
        subject: must predict tokens.
        wanted: substitutes for each place.

    Raises:
        BenchmarkError: the subject does not predict tokens, or its checkpoint has no unembedding.
    """

    def __init__(self, subject: SubjectModel, wanted: int) -> None:
        able = isinstance(subject, PredictsTokens)
        if not able or not getattr(subject, "has_unembedding", True):
            raise BenchmarkError(
                f"subject '{subject.name}' does not predict tokens, so it has no substitutes; "
                "use explainer.augmenter=none or explainer.augmenter=distilbert."
            )
        self._subject = subject
        self._wanted = wanted
        self._left_out = special_ids(subject)

    def propose(
        self, examples: Sequence[Example], places: Sequence[Sequence[int]]
    ) -> list[Proposal]:
        """The likeliest tokens at each place but the one that stands there and special ones."""
        members: dict[int, list[int]] = {}
        for number in range(len(examples)):
            if places[number]:
                # Nothing to the right of the last place has a say.
                members.setdefault(max(places[number]), []).append(number)
        proposals = []
        for length, group in sorted(members.items()):
            left = np.stack([examples[number].tokens[:length] for number in group])
            distinct, where = distinct_rows(left)
            k = self._wanted + 1 + len(self._left_out)
            likely = self._predicts(torch.from_numpy(distinct), k)
            for number, row in zip(group, where.tolist(), strict=True):
                for place in places[number]:
                    original = int(examples[number].tokens[place])
                    proposals += [
                        Proposal(number, place, place + 1, (token,))
                        for token in self._chosen(likely[row][place - 1], original)
                    ]
        return proposals

    def _predicts(self, tokens: Tensor, k: int) -> list[list[list[int]]]:
        assert isinstance(self._subject, PredictsTokens)
        found: list[list[list[int]]] = self._subject.likely_next(tokens, k).tolist()
        return found

    def _chosen(self, likely: Sequence[int], original: int) -> list[int]:
        chosen = [token for token in likely if token != original and token not in self._left_out]
        return chosen[: self._wanted]


def special_ids(subject: SubjectModel) -> frozenset[int]:
    """Ids that never stand in text: BOS and the tokenizer's special tokens."""
    tokenizer: Any = subject.tokenizer
    return frozenset({subject.bos, *getattr(tokenizer, "all_special_ids", [])})
