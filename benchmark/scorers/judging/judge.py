"""Judge: a language model that is asked about windows of text, and what its answers are worth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

import metrics
from benchmark.column import BOOL, COUNT, INT, MEASURE, PLAIN_MEAN, Column
from benchmark.errors import BenchmarkError, is_out_of_memory
from benchmark.interface import Failure, LanguageModel, Reply, Request, ScoredBlock
from benchmark.results.columns import FIRING_KEYS, TOP, UNIFORM, score_column
from benchmark.scorers.judging.answers import Question, Verdict, read_answer
from benchmark.scorers.judging.items import ItemDraw, Items

SETS = (UNIFORM, TOP)
TOP_LOGPROBS = 5  # the labels are among the likeliest tokens


@dataclass(frozen=True)
class Case:
    """A neuron before a judge.

    Attributes:
        items: windows of held-out text.
        tokens: the token ids of each of them.
        fires: on which of these tokens the neuron fires.
        tokenizer: the subject's.
        explanation: the text of its explanation; None where there is none.
        draw: random numbers that the neuron alone decides.
    """

    items: Items
    tokens: list[list[int]]
    fires: list[NDArray[np.bool_]]
    tokenizer: Any
    explanation: str | None
    draw: np.random.Generator


class Judge:
    """Asks a language model about windows of held-out text; each kind of judge asks otherwise.

    Args:
        items: windows that activate a neuron, and as many others.
        window: tokens in a window, at most.
        at_once: windows in one request.
        max_characters: of an explanation that the judge reads; what is longer is cut.
        log_probabilities: whether they are asked for; without them there is no AUC.
        llm: keys of a language model of its own; see `NeedsLanguageModel`.

    Raises:
        BenchmarkError: a number is too small.
    """

    group: ClassVar[str]
    prefix: ClassVar[str] = ""
    title: ClassVar[str]
    system: ClassVar[str]
    reads_explanation: ClassVar[bool] = True

    def __init__(
        self,
        items: int = 50,
        window: int = 32,
        at_once: int = 5,
        max_characters: int = 4000,
        log_probabilities: bool = True,
        llm: Any = None,  # noqa: ARG002
    ) -> None:
        numbers = {"items": items, "window": window, "at_once": at_once}
        for name, value in (numbers | {"max_characters": max_characters}).items():
            least = 2 if name == "at_once" and self.group == "intruder" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise BenchmarkError(
                    f"{name}={value} of {self.group} must be a whole number of at least {least}."
                )
        self.items, self.window, self.at_once = items, window, at_once
        self.max_characters, self.log_probabilities = max_characters, bool(log_probabilities)
        self._model: LanguageModel | None = None

    def use_language_model(self, model: LanguageModel) -> None:
        """Take the language model that judges."""
        self._model = model

    def columns(self) -> list[Column]:
        """Return AUC, balanced accuracy, what could not be read, and what judging cost."""
        about = f"{self.group} by a language model"
        keys = list(FIRING_KEYS)

        def measure(name: str, description: str, **options: Any) -> Column:
            return Column(
                name=self._column(name),
                description=description,
                kind=MEASURE,
                higher_is_better=None,
                summary=PLAIN_MEAN,
                comparable_on=keys,
                **options,
            )

        return [
            Column(
                name=self._column("auc"),
                description=f"{about}: area under the ROC curve, from the probabilities of its "
                "answers, 0.5 by chance; null where the endpoint gives none",
                comparable_on=keys,
                title=self.title,
            ),
            Column(
                name=self._column("balanced_accuracy"),
                description=f"{about}: mean share of both kinds of windows told right, 0.5 by "
                "chance",
                comparable_on=keys,
                title=f"{self.title} bal.",
            ),
            measure("judged", "windows that were judged", dtype=INT),
            measure("parse_failures", "windows whose answer could not be read", dtype=INT),
            Column(
                name=self._column("constant"),
                description="whether the judge says the same of every window",
                kind=MEASURE,
                dtype=BOOL,
                higher_is_better=None,
                summary=COUNT,
                comparable_on=keys,
            ),
            measure("tokens", "language-model tokens that judging took", form=",.0f"),
            measure("usd", "US dollars that judging took", form=".2e"),
        ]

    def identity(self) -> dict[str, Any]:
        """Return a digest of what the judge is told."""
        return {"prompt": hashlib.sha256(self.system.encode()).hexdigest()[:12]}

    def score(self, block: ScoredBlock) -> dict[str, list[Any]]:
        """Ask about every neuron of a block, side by side, and score the answers.

        A neuron without an explanation is judged as by a judge who says the same of all windows.
        """
        asked = [self._asked(block, place) for place in range(len(block.neurons))]
        replies = self._replies([question for one in asked if one for question in one])
        found: dict[str, list[Any]] = {column.name: [] for column in self.columns()}
        for questions in asked:
            own = [] if questions is None else [next(replies) for _ in questions]
            values = _values(questions, own)
            for name, value in values.items():
                found[self._column(name)].append(value)
        # With a judge that gives no probability an AUC of 0.5 for want of an answer is none.
        if not any(value is not None and asked[row] for row, value in enumerate(found[self._auc])):
            found[self._auc] = [None] * len(asked)
        return found

    def questions(self, case: Case) -> list[Question]:
        """Return what is asked about a neuron."""
        raise NotImplementedError

    def batches(self, case: Case, n: int) -> list[list[int]]:
        """Return the places of `n` windows, in an order that the neuron decides, by requests."""
        order = case.draw.permutation(n).tolist()
        return [order[start : start + self.at_once] for start in range(0, n, self.at_once)]

    @property
    def _auc(self) -> str:
        return self._column("auc")

    def _column(self, name: str) -> str:
        return score_column(self.group, f"{self.prefix}{name}")

    def _asked(self, block: ScoredBlock, place: int) -> list[Question] | None:
        """Return the questions about a neuron; None for one that has no explanation to judge."""
        explanation = self._text(block.explanations[place])
        if explanation is None and self.reads_explanation:
            return None
        name = f"{block.layer}.{int(block.neurons[place])}"
        threshold = float(block.firing_threshold[place])
        drawing = ItemDraw(block.truth, SETS, self.window)
        items = drawing.of(place, threshold, name, self.items)
        case = Case(
            items,
            [
                block.truth.tokens[row, start:stop].tolist()
                for row, start, stop in zip(items.rows, items.starts, items.stops, strict=True)
            ],
            drawing.firing(place, threshold, items),
            block.subject.tokenizer,
            explanation,
            np.random.default_rng(list(hashlib.sha256(f"{self.group}:{name}".encode()).digest())),
        )
        return self.questions(case)

    def _text(self, explanation: Any) -> str | None:
        """Return the text of an explanation, cut where it is long; None if it has none."""
        if isinstance(explanation, Failure):
            return None
        try:
            text = str(explanation.describe()).strip()
        except Exception as error:
            if is_out_of_memory(error):
                raise
            return None
        if len(text) > self.max_characters:
            text = f"{text[: self.max_characters]} ..."
        return text or None

    def _replies(self, questions: Sequence[Question]) -> Any:
        if self._model is None:
            raise BenchmarkError(f"{self.group} asks a language model, and was given none.")
        requests = [
            Request(
                question.messages,
                max_tokens=4 * len(question.labels) + 16,
                top_logprobs=TOP_LOGPROBS if self.log_probabilities else 0,
            )
            for question in questions
        ]
        return iter(self._model.ask(requests))


def _values(questions: Sequence[Question] | None, replies: Sequence[Reply]) -> dict[str, Any]:
    """Return the columns of one neuron without their group."""
    if questions is None:
        nothing = {"judged": 0, "parse_failures": 0, "constant": True, "tokens": 0.0, "usd": 0.0}
        return {"auc": 0.5, "balanced_accuracy": 0.5, **nothing}
    verdicts: list[Verdict] = []
    failures = 0
    for question, reply in zip(questions, replies, strict=True):
        answer = read_answer(question, reply)
        verdicts += answer or []
        failures += len(question.labels) if answer is None else 0
    probabilities = [one.probability for one in verdicts]
    known = [value for value in probabilities if value is not None]
    complete = len(known) == len(verdicts)
    said = [one.said for one in verdicts]
    same = len(set(said)) == 1 and len(set(probabilities)) == 1
    return {
        "auc": _score("auroc", verdicts, known) if complete else None,
        "balanced_accuracy": _score("balanced_accuracy", verdicts, [float(one) for one in said]),
        "judged": len(verdicts),
        "parse_failures": failures,
        "constant": same,
        "tokens": float(sum(reply.usage.tokens for reply in replies)),
        "usd": float(sum(reply.usage.usd for reply in replies)),
    }


def _score(metric: str, verdicts: Sequence[Verdict], values: Sequence[float]) -> float | None:
    """Return a metric of values at a half; None without a window of one of the kinds."""
    labels = torch.tensor([[float(one.label) for one in verdicts]])
    if len({one.label for one in verdicts}) < 2:
        return None
    predicted = torch.tensor([values], dtype=torch.float64).float()
    return float(metrics.compute([metric], labels, predicted, torch.tensor([0.5]))[metric][0])
