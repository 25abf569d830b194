# ruff: noqa: ARG002
"""Client of servers that speak the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmark.interface import LabelReply, LabelRequest, Reply, Request
from benchmark.llm.errors import LanguageModelError
from benchmark.llm.options import OpenAIOptions
from benchmark.llm.spending import Spending


class OpenAIClient:
    """Asks a server, many requests side by side."""

    def __init__(self, options: OpenAIOptions, spending: Spending) -> None:
        self._options, self._spending = options, spending

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Yield the answers with the places of their requests."""
        raise LanguageModelError("llm=openai cannot ask yet.")

    def label_answers(self, requests: Sequence[LabelRequest]) -> Iterator[tuple[int, LabelReply]]:
        """Yield the probabilities of labels with the places of their requests."""
        raise LanguageModelError("llm=openai cannot ask yet.")
