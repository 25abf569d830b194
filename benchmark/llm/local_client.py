# ruff: noqa: ARG001, ARG002
"""Client of language models in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from benchmark.interface import LabelReply, LabelRequest, Reply, Request
from benchmark.llm.errors import LanguageModelError
from benchmark.llm.options import LocalOptions
from benchmark.llm.spending import Spending


def loaded(options: LocalOptions, download: bool) -> Any:
    """Return a model and its tokenizer."""
    raise LanguageModelError("llm=local cannot ask yet.")


class LocalClient:
    """Asks a model in this process, in batches."""

    def __init__(self, model: Any, spending: Spending) -> None:
        self._model, self._spending = model, spending

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Yield the answers with the places of their requests."""
        raise LanguageModelError("llm=local cannot ask yet.")

    def label_answers(self, requests: Sequence[LabelRequest]) -> Iterator[tuple[int, LabelReply]]:
        """Yield the probabilities of labels with the places of their requests."""
        raise LanguageModelError("llm=local cannot ask yet.")

    def first_logits(self, prefixes: Sequence[str], tokens: Tensor, n: int) -> Tensor:
        """Return the logits of the vocabulary's first `n` tokens at each of the given tokens."""
        raise LanguageModelError("llm=local cannot ask yet.")
