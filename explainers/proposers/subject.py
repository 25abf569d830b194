"""Proposer `subject`: substitutes that the subject itself finds likely after what stands left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import SubjectModel
from explainers.proposers.proposal import Context, Proposal, Span
from explainers.queries import distinct_rows


class SubjectProposer:
    """Proposes what the subject expects at a place; one forward pass gives all places of a context.

    A place of several tokens is replaced by one.

    Args:
        subject: must predict tokens.
        wanted: substitutes for each place.
        option: what the explainer's option that chose this is called, for messages.

    Raises:
        BenchmarkError: the subject does not predict tokens: its checkpoint has no unembedding.
    """

    def __init__(self, subject: SubjectModel, wanted: int, option: str = "proposer") -> None:
        if not subject.has_unembedding:
            raise BenchmarkError(
                f"subject '{subject.name}' does not predict tokens, so it has no substitutes; "
                f"use explainer.{option}=none or explainer.{option}=distilbert."
            )
        self._subject = subject
        self._wanted = wanted
        self._left_out = special_ids(subject)

    def propose(
        self, contexts: Sequence[Context], places: Sequence[Sequence[Span]]
    ) -> list[Proposal]:
        """Propose the likeliest tokens at each place but the original one and special ones.

        Each replaces the whole place.
        """
        members: dict[int, list[int]] = {}
        for number, spans in enumerate(places):
            if spans:
                # Nothing to the right of where the last place begins has a say.
                members.setdefault(max(start for start, _ in spans), []).append(number)
        proposals = []
        for length, group in sorted(members.items()):
            left = np.stack([contexts[number][:length] for number in group])
            distinct, _, where = distinct_rows(left)
            k = self._wanted + 1 + len(self._left_out)
            likely = self._predicts(torch.from_numpy(distinct), k)
            for number, row in zip(group, where.tolist(), strict=True):
                for start, stop in places[number]:
                    original = int(contexts[number][start])
                    proposals += [
                        Proposal(number, start, stop, (token,))
                        for token in self._chosen(likely[row][start - 1], original)
                    ]
        return proposals

    def _predicts(self, tokens: Tensor, k: int) -> list[list[list[int]]]:
        ids: list[list[list[int]]] = self._subject.likely_next(tokens, k).tolist()
        return ids

    def _chosen(self, likely: Sequence[int], original: int) -> list[int]:
        chosen = [token for token in likely if token != original and token not in self._left_out]
        return chosen[: self._wanted]


def special_ids(subject: SubjectModel) -> frozenset[int]:
    """Return ids that never stand in text: BOS and the tokenizer's special tokens."""
    tokenizer: Any = subject.tokenizer
    return frozenset({subject.bos, *getattr(tokenizer, "all_special_ids", [])})
