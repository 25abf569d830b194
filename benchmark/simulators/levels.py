"""Levels: what a language model says of a token instead of an activation, and the way back."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import Costs, Explanation, LanguageModel, Prediction, Usage
from benchmark.token_text import prompt_token

TEN = tuple(str(level) for level in range(11))
"""Levels 0 to 10, for models that have the label 10 as one token."""

NINE = TEN[:-1]
"""Levels 0 to 9, each of which is one token of every model."""


@dataclass(frozen=True)
class Asked:
    """A context that a language model is asked about, for one explanation.

    Attributes:
        explanation: the text of the explanation.
        tokens: the tokens of the context without BOS, as prompts show them.
    """

    explanation: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Spent:
    """What it took to ask.

    Attributes:
        usage: of all answers together.
        requests: how many answers there were.
        unread_replies: answers of which nothing could be read.
    """

    usage: Usage
    requests: int
    unread_replies: int = 0


class LevelSimulator:
    """Base of simulators that ask a language model for the level of each token.

    A level is a part of the neuron's largest activation on the `explain` split, which is saved with
    the sentence as `max_activation`: a prediction is level / highest level x `max_activation`. So
    nothing below zero is predicted. BOS is never shown, and its prediction is 0. A token whose
    level could not be read is predicted as 0 and counted in `cost/simulate_unread_tokens`.

    Attributes:
        name: as in `simulator=<name>`.
        scoring_sets: those that it predicts alone, since every token costs; see `PredictsSomeSets`.
    """

    name: ClassVar[str]

    def __init__(
        self,
        scoring_sets: Sequence[str] | None = ("uniform_small",),
        llm: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose who is asked, and about how much text.

        Args:
            scoring_sets: the scoring sets that are predicted; None for every token of all of them.
            llm: the keys of a language model of its own, which is handed over; None for the run's.
        """
        self.scoring_sets = None if scoring_sets is None else tuple(scoring_sets)
        self.llm = llm
        self._tokenizer: Any = None
        self._model: LanguageModel | None = None

    def use_tokenizer(self, tokenizer: Any) -> None:
        """Take the subject's tokenizer, which turns ids into the text of a prompt."""
        self._tokenizer = tokenizer

    def use_language_model(self, model: LanguageModel) -> None:
        """Take the language model that reads the sentences.

        Raises:
            BenchmarkError: it cannot answer what this simulator asks.
        """
        self._model = model

    @property
    def model(self) -> LanguageModel:
        """Return the language model.

        Raises:
            BenchmarkError: none was handed over.
        """
        if self._model is None:
            raise BenchmarkError(
                f"simulator={self.name} asks a language model; choose one: llm=openai "
                "llm.model=<name>, or llm=local llm.source=<hub id or folder>."
            )
        return self._model

    def simulate(
        self, explanations: Sequence[Explanation], tokens: Int[Tensor, "batch pos"]
    ) -> Prediction:
        """Predict every token: level / highest level x the neuron's largest activation.

        Raises:
            BenchmarkError: the language model cannot be asked, or a sentence has no scale.
        """
        _ = self.model  # there, before anything is made for it
        scales = scales_of(explanations, self.name)
        shown = without_bos(tokens)
        text_of = functools.cache(functools.partial(prompt_token, self._tokenizer))
        texts = [
            tuple(text_of(token) for token in row[mask].tolist())
            for row, mask in zip(tokens, shown, strict=True)
        ]
        asked = [Asked(one.describe(), text) for one in explanations for text in texts if text]
        levels, spent = self.read(asked)
        values = torch.zeros(len(explanations), *tokens.shape)
        if levels:
            values[shown.expand(values.shape)] = torch.cat([one.float().cpu() for one in levels])
        unread = values.isnan()
        values = values.nan_to_num() * scales[:, None, None]
        costs = Costs(
            llm_tokens=spent.usage.tokens,
            llm_requests=spent.requests,
            usd=spent.usage.usd,
            unread_tokens=int(unread.sum()),
            unread_replies=spent.unread_replies,
        )
        return Prediction(values, None, costs)

    def read(self, asked: Sequence[Asked]) -> tuple[list[Float[Tensor, " tokens"]], Spent]:
        """Return the level of each token of each context, as a part of the highest level.

        NaN stands where none could be read.
        """
        raise NotImplementedError


def without_bos(tokens: Int[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
    """Return which tokens are text; every context begins with BOS, so that its id is known."""
    return tokens != tokens[:, :1]


def scales_of(explanations: Sequence[Explanation], simulator: str) -> Float[Tensor, " n"]:
    """Return the largest activation of each explanation's neuron, raw units.

    Raises:
        BenchmarkError: an explanation does not say it.
    """
    scales = [getattr(one, "max_activation", None) for one in explanations]
    for one, scale in zip(explanations, scales, strict=True):
        if not isinstance(scale, int | float):
            raise BenchmarkError(
                f"simulator={simulator} predicts parts of a neuron's largest activation, and a "
                f"{type(one).__name__} does not say it: give the explanation a number "
                "'max_activation', as Evidence has it."
            )
    return torch.tensor(scales, dtype=torch.float32)


def expected(logprobs: Float[Tensor, "places labels"]) -> Float[Tensor, " places"]:
    """Return the expected level of each place, as a part of the highest; NaN where there is none.

    Example:
        >>> import torch
        >>> expected(torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]).log()).tolist()
        [0.5, 1.0]
    """
    parts = torch.linspace(0, 1, logprobs.shape[1], dtype=torch.float64)
    return (logprobs.double().cpu().exp() @ parts).float()
