"""Choice of a proposer by an explainer's options."""

from __future__ import annotations

from typing import Any

import torch

from benchmark.errors import BenchmarkError, unknown
from benchmark.interface import SubjectModel
from explainers.proposers.masked import FillsGaps, MaskedProposer
from explainers.proposers.proposal import Proposer
from explainers.proposers.subject import SubjectProposer, special_ids

MASKED_MODEL = "distilbert/distilbert-base-cased"
PROPOSERS = ("subject", "distilbert", "none")


class Proposers:
    """A choice of proposer; a masked language model is loaded once, when it is first needed.

    Args:
        name: `subject`, `distilbert` or `none`.
        masked_model: for `distilbert`, the repository id or folder of a masked language model.
        wanted: substitutes for each place.
        option: what the option that chooses is called, and of which explainer, for messages.

    Raises:
        BenchmarkError: the name is not known, or the number is not positive.
    """

    def __init__(self, name: str, masked_model: str, wanted: int, option: tuple[str, str]) -> None:
        if name not in PROPOSERS:
            raise unknown(f"{option[0]} of {option[1]}", str(name), PROPOSERS)
        if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
            raise BenchmarkError(
                f"substitutes of {option[1]} must be a whole number of at least 1, not {wanted!r}."
            )
        self.name = name
        self.masked_model = masked_model
        self.wanted = wanted
        self._option = option[0]
        self._masked_words: FillsGaps | None = None

    def of(self, subject: SubjectModel) -> Proposer | None:
        """Return the proposer for a subject, None where none is wanted.

        Raises:
            BenchmarkError: it cannot be had.
        """
        if self.name == "subject":
            return SubjectProposer(subject, self.wanted, self._option)
        if self.name == "distilbert":
            return MaskedProposer(
                self._words(subject), subject.tokenizer, special_ids(subject), self.wanted
            )
        return None

    def _words(self, subject: Any) -> FillsGaps:
        if self._masked_words is None:
            from explainers.proposers.masked_words import MaskedWords

            device = torch.device(getattr(subject, "device", "cpu"))
            self._masked_words = MaskedWords(self.masked_model, device)
        return self._masked_words
