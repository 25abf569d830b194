"""Scripted language models: they answer as a test says, and count what they were asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.interface import LabelReply, LabelRequest, LanguageModel, Reply, Request, Usage
from benchmark.llm import handing
from benchmark.llm.kept_model import KeptModel
from benchmark.llm.making import llm_identity
from benchmark.llm.reply_store import ReplyStore, reply_file


class ScriptedModel:
    """A language model that answers as a function says.

    Attributes:
        requests: what it was asked, in order.
        label_requests: the texts in which it read labels, in order.
    """

    def __init__(
        self,
        answer: Callable[[Request], Reply | str] = lambda request: "words",
        labels: Callable[[LabelRequest], Tensor] | None = None,
        name: str = "scripted",
    ) -> None:
        """Script a model.

        Args:
            answer: gives the answer to a request, or its text.
            labels: gives probabilities, `[places, labels]`, which are divided by their sums; None
                for a model that reads no labels.
            name: of the model.
        """
        self.name = name
        self._answer, self._labels = answer, labels
        self.requests: list[Request] = []
        self.label_requests: list[LabelRequest] = []

    @property
    def reads_labels(self) -> bool:
        return self._labels is not None

    @property
    def asked(self) -> int:
        """How many requests of both kinds it was asked."""
        return len(self.requests) + len(self.label_requests)

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        return [reply for _, reply in self.answers(requests)]

    def read_labels(self, requests: Sequence[LabelRequest]) -> list[LabelReply]:
        return [reply for _, reply in self.label_answers(requests)]

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for place, request in enumerate(requests):
            self.requests.append(request)
            answer = self._answer(request)
            yield place, answer if isinstance(answer, Reply) else _reply(request, answer)

    def label_answers(self, requests: Sequence[LabelRequest]) -> Iterator[tuple[int, LabelReply]]:
        assert self._labels is not None, "this model reads no labels"
        for place, request in enumerate(requests):
            self.label_requests.append(request)
            found = torch.as_tensor(self._labels(request), dtype=torch.float32)
            usage = Usage(len(request.prefix.split()) + 2 * len(request.pieces))
            yield place, LabelReply((found / found.sum(-1, keepdim=True)).log(), usage)


def _reply(request: Request, text: str) -> Reply:
    read = sum(len(message.content.split()) for message in request.messages)
    return Reply(text, usage=Usage(prompt_tokens=read, completion_tokens=len(text.split())))


def hand_out(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever asks a language model ask this one, whichever is configured.

    Answers are kept as those of any model, so that a second run asks nothing. A run needs some
    `llm`: `llm=openai llm.model=scripted` will do.
    """

    def made(config: Mapping[str, Any], cache_folder: Path, trust: object = None) -> LanguageModel:
        store = ReplyStore(reply_file(cache_folder))
        return KeptModel(
            model.name,
            lambda: llm_identity(config),
            store,
            lambda: model,
            reads_labels=model.reads_labels,
        )

    monkeypatch.setattr(handing, "language_model", made)
