"""LLM explainer: a language model reads what a neuron does and says it in a sentence."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmark.errors import BenchmarkError, unknown
from benchmark.interface import (
    EXEMPLARS,
    EXEMPLARS_AND_SAMPLE,
    SAMPLE,
    Costs,
    Evidence,
    Explained,
    Failure,
    LanguageModel,
    Message,
    Reply,
    Request,
    SubjectModel,
    Usage,
    includes,
)
from benchmark.token_text import prompt_token
from explainers.evidence_option import checked_evidence
from explainers.float32 import shortest
from explainers.llm.prompts import UnusableAnswerError, conversation, prompt_hash, sentence_of
from explainers.llm.records import (
    QUANTILES,
    RANGES,
    TOP,
    across_the_range,
    near_misses,
    records_of,
)
from explainers.llm.style import Style, load_style, style_names, style_path
from explainers.sentence import Sentence

MOST_CANDIDATES = 100


class LLM:
    """Has a language model write a sentence about each neuron from texts with its activations.

    How it is asked is a prompt style, a file (see `Style`). All neurons of a block are asked at
    once. With several candidates each neuron has as many sentences, drawn at a temperature; the
    run keeps the one whose simulation fits the neuron best on text of the `calibrate` split (see
    `Explained.candidates`). An answer that is cut, empty or a refusal is no sentence: the neuron
    is a failure, unless it has another candidate.
    """

    explanation_class: ClassVar[type[Any]] = Sentence
    evidence: str = EXEMPLARS

    def __init__(
        self,
        style: str = "pairs",
        examples: int | None = None,
        record_tokens: int | None = None,
        evidence_range: str = TOP,
        candidates: int = 1,
        temperature: float | None = None,
        max_tokens: int | None = None,
        evidence: str | None = None,
        llm: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose how a neuron is shown and how often a sentence is drawn.

        Args:
            style: name of a built-in prompt style, or the path of a YAML file.
            examples: records shown of a neuron; None for what the style says.
            record_tokens: tokens of each record; None for what the style says.
            evidence_range: `top` for records of the strongest exemplars, `quantiles` for records
                across the range of the neuron's activation, which needs the sample.
            candidates: sentences drawn for each neuron.
            temperature: None for 0 where one sentence is drawn, and 1 where several are.
            max_tokens: of an answer; None for what the style says.
            evidence: `exemplars` or `exemplars+sample`; None for what style and range need.
            llm: the keys of a language model of its own, which is handed over; None for the run's.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        _check_count("candidates", candidates, MOST_CANDIDATES)
        for name, count in (
            ("examples", examples),
            ("record_tokens", record_tokens),
            ("max_tokens", max_tokens),
        ):
            if count is not None:
                _check_count(name, count, 10**5)
        if evidence_range not in RANGES:
            raise unknown("evidence_range of llm", str(evidence_range)[:60], RANGES)
        if temperature is not None and not 0 <= temperature <= 2:
            raise BenchmarkError(
                f"temperature of llm is {temperature}; it is a number from 0 to 2."
            )
        style = str(style)
        if not Path(style).suffix:  # a file is looked at only when it is read
            style_path(style)
        self.style, self.examples, self.record_tokens = style, examples, record_tokens
        self.evidence_range, self.candidates = evidence_range, candidates
        self.temperature, self.max_tokens, self.llm = temperature, max_tokens, llm
        self.evidence = self._evidence(evidence)
        self._model: LanguageModel | None = None

    def _evidence(self, given: str | None) -> str:
        """Return the kind of evidence, which a built-in style tells; a file is not read yet."""
        built_in = self.style in style_names() and load_style(self.style).near_misses > 0
        needed = built_in or self.evidence_range == QUANTILES
        if given is None:
            return EXEMPLARS_AND_SAMPLE if needed else EXEMPLARS
        kind = checked_evidence(given, "llm")
        if needed and not includes(kind, SAMPLE):
            raise _needs_sample()
        return kind

    @staticmethod
    def styles() -> list[str]:
        """Return the names of the built-in prompt styles."""
        return style_names()

    @classmethod
    def files_of(cls, options: Mapping[str, Any]) -> list[Path]:
        """Return the files whose content determines the prompts, for a run's identity.

        Raises:
            BenchmarkError: the style is none, or its file is damaged.
        """
        style = str(options.get("style", "pairs"))
        load_style(style)
        return [style_path(style)]

    def use_language_model(self, model: LanguageModel) -> None:
        """Take the language model that writes the sentences."""
        self._model = model

    def explain(self, evidence: Evidence, subject: SubjectModel) -> list[Explained]:
        """Return the sentences of a block; one whose answers are no sentence is a failure.

        Raises:
            BenchmarkError: the language model cannot be asked, or the style cannot be read.
        """
        if self._model is None:
            raise BenchmarkError(
                "explainer=llm asks a language model; choose one: llm=openai llm.model=<name>, or "
                "llm=local llm.source=<hub id or folder>."
            )
        style = load_style(self.style)
        asked = self.conversations(style, evidence, subject)
        requests = [self._request(style, one, n) for one in asked for n in range(self.candidates)]
        replies = self._model.ask(requests)
        step = self.candidates
        return [
            self._explained(style, asked[row], replies[row * step : (row + 1) * step], maximum)
            for row, maximum in enumerate(map(shortest, evidence.max_activation.tolist()))
        ]

    def conversations(
        self, style: Style, evidence: Evidence, subject: SubjectModel
    ) -> list[tuple[Message, ...]]:
        """Return what is asked about each neuron of a block.

        Raises:
            BenchmarkError: the style or the range needs the sample and the evidence has none.
        """
        text_of = functools.cache(functools.partial(prompt_token, subject.tokenizer))
        count = style.examples if self.examples is None else self.examples
        length = style.record_tokens if self.record_tokens is None else self.record_tokens
        shown = evidence
        if self.evidence_range == QUANTILES:
            shown = across_the_range(evidence, count, "llm")
        if style.near_misses and evidence.sample is None:
            raise _needs_sample()
        found = []
        for row in range(evidence.n_neurons):
            records = records_of(shown, row, count, length, text_of)
            misses = (
                near_misses(evidence, row, style.near_misses, length, text_of)
                if style.near_misses
                else ()
            )
            found.append(conversation(style, records, misses))
        return found

    def _request(self, style: Style, messages: tuple[Message, ...], number: int) -> Request:
        temperature = self.temperature
        if temperature is None:
            temperature = 0.0 if self.candidates == 1 else 1.0
        return Request(
            messages,
            max_tokens=style.max_tokens if self.max_tokens is None else self.max_tokens,
            temperature=temperature,
            sample=number,
            stop=style.stop,
        )

    def _explained(
        self, style: Style, messages: Sequence[Message], replies: Sequence[Reply], maximum: float
    ) -> Explained:
        """Return the sentences of one neuron, the first of them as the answer."""
        texts: list[str] = []
        problems: list[str] = []
        for reply in replies:
            try:
                texts.append(sentence_of(style, reply))
            except UnusableAnswerError as error:
                problems.append(str(error))
        usage = sum((reply.usage for reply in replies), Usage())
        costs = Costs(llm_tokens=usage.tokens, llm_requests=len(replies), usd=usage.usd)
        if not texts:
            return Explained(Failure(f"no sentence: {problems[0]}"), costs)
        assert self._model is not None
        shown: dict[str, Any] = {
            "style": f"{style.name} {style.version}",
            "model": self._model.name,
            "prompt": prompt_hash(messages),
        }
        if self.candidates > 1:
            shown["candidates"] = list(texts)
        first, *others = [Sentence(text, maximum, shown) for text in dict.fromkeys(texts)]
        return Explained(first, costs, tuple(others))


def _check_count(name: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise BenchmarkError(
            f"{name} of llm must be a whole number from 1 to {most:,}, not {value!r:.60}."
        )


def _needs_sample() -> BenchmarkError:
    return BenchmarkError(
        "explainer llm needs the sample for near misses and for evidence_range=quantiles; "
        "give explainer.evidence=exemplars+sample."
    )
