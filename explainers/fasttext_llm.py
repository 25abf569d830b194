"""FastText's words described by a language model: the third stage of the FastText method."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from benchmark.errors import BenchmarkError
from benchmark.interface import (
    Costs,
    Evidence,
    Explained,
    ExplainText,
    Failure,
    LanguageModel,
    Message,
    Reply,
    Request,
    Storage,
    SubjectModel,
)
from explainers.fasttext import FastText, FastTextExplanation
from explainers.sentence import Sentence

SYSTEM = """\
A neuron of a language model becomes active on certain words. You are given these words, strongest
first, each with the few tokens that stood before and after it; the word stands between << and >>.
Find what the words share: a meaning, a topic, a grammatical form, a spelling, or what stands
around them. Say it in one short sentence that would let a reader point out such words in a new
text. Name words themselves where they share nothing else. Answer with the sentence alone."""
LEADING = "The neuron is active on"
LEVELS = 10
ESCAPES = str.maketrans({"\n": "\\n", "\t": "\\t", "\r": "\\r"})
REFUSAL = re.compile(r"(i[’']?m sorry|i am sorry|sorry,|i can(no|['’])t|as an ai\b)", re.IGNORECASE)


class FastTextLLM:
    """Has a language model say what a neuron's activating words have in common.

    The words, and how alike they are, are those of the explainer `fasttext`; each is shown in a
    window of seven tokens, three on either side, where it activates most.
    """

    explanation_class: ClassVar[type[Any]] = Sentence

    def __init__(
        self,
        inner: FastText | None = None,
        only_coherent: bool = False,
        max_tokens: int = 60,
        llm: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose whose words are described.

        Args:
            inner: the explainer `fasttext`; in a config a nested `_target_`.
            only_coherent: whether a neuron whose words are not alike is a failure, as in the
                method's report, instead of described all the same.
            max_tokens: of an answer.
            llm: the keys of a language model of its own, which is handed over; None for the run's.

        Raises:
            BenchmarkError: an option has a value that it cannot have.
        """
        self.inner = FastText() if inner is None else inner
        if not isinstance(self.inner, FastText):
            raise BenchmarkError(f"inner of fasttext_llm is no FastText: {self.inner!r:.60}.")
        if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
            raise BenchmarkError(
                f"max_tokens of fasttext_llm must be a whole number of at least 1, "
                f"not {max_tokens!r:.40}."
            )
        self.evidence = self.inner.evidence
        self.only_coherent, self.max_tokens, self.llm = only_coherent, max_tokens, llm
        self._model: LanguageModel | None = None

    def use_language_model(self, model: LanguageModel) -> None:
        """Take the language model that writes the sentences."""
        self._model = model

    def prepare(self, text: ExplainText, storage: Storage) -> None:
        """Learn words and vectors from the `explain` split."""
        self.inner.prepare(text, storage)

    def explain(self, evidence: Evidence, subject: SubjectModel) -> list[Explained | Failure]:
        """Return a sentence for each neuron that has activating words; all are asked at once.

        Raises:
            BenchmarkError: the language model cannot be asked.
        """
        if self._model is None:
            raise BenchmarkError(
                "explainer=fasttext_llm asks a language model; choose one: llm=openai "
                "llm.model=<name>, or llm=local llm.source=<hub id or folder>."
            )
        found = [self._worth_asking(one) for one in self.inner.explain(evidence, subject)]
        asked = [one for one in found if not isinstance(one, Failure)]
        replies = iter(
            self._model.ask([Request(conversation(one), self.max_tokens) for one in asked])
        )
        return [
            one if isinstance(one, Failure) else self._explained(one, next(replies))
            for one in found
        ]

    def _worth_asking(self, one: FastTextExplanation | Failure) -> FastTextExplanation | Failure:
        if isinstance(one, Failure) or not self.only_coherent or one.semantic:
            return one
        if one.coherence is None:
            return Failure("a single activating word has no coherence")
        return Failure(
            f"the activating words are not alike: coherence {one.coherence:.2f}, "
            f"threshold {one.threshold:.2f}"
        )

    def _explained(self, words: FastTextExplanation, reply: Reply) -> Explained:
        costs = Costs(llm_tokens=reply.usage.tokens, llm_requests=1, usd=reply.usage.usd)
        answer = _sentence(reply)
        if isinstance(answer, Failure):
            return Explained(answer, costs)
        assert self._model is not None
        shown = {
            "model": self._model.name,
            "coherence": words.coherence,
            "words": [one.name for one in words.words],
        }
        return Explained(Sentence(answer, words.table.maximum, shown), costs)


def conversation(explanation: FastTextExplanation) -> tuple[Message, ...]:
    """Return what a language model is told and asked about a neuron's words."""
    lines = ["Words, the number before each its strength on a scale of 10:"]
    strongest = max((one.activation for one in explanation.words), default=0.0) or 1.0
    for one in explanation.words:
        level = round(LEVELS * max(0.0, one.activation) / strongest)
        window = f"{one.before}<<{one.inside}>>{one.after}".translate(ESCAPES)
        lines.append(f"{level} {one.name.translate(ESCAPES)}: {window}")
    for kept, heading in ((True, "Active as well on"), (False, "Tried and not active on")):
        names = [one.name for one in explanation.neighbours if one.kept == kept]
        if names:
            lines.append(f"{heading}: {', '.join(dict.fromkeys(names))}".translate(ESCAPES))
    lines += ["", f"Complete this sentence: {LEADING} ..."]
    return Message("system", SYSTEM), Message("user", "\n".join(lines))


def _sentence(reply: Reply) -> str | Failure:
    """Return the sentence of an answer, or why it is none."""
    if not reply.finished:
        return Failure("the answer was cut; give explainer.max_tokens a larger number")
    lines: Sequence[str] = [line for line in reply.text.strip().splitlines() if line.strip()]
    text = lines[0].strip(" *\"'“”`…") if lines else ""
    if text.lower().startswith(LEADING.lower()):
        text = text[len(LEADING) :].strip(" .…:")
    if not text:
        return Failure("the answer is empty")
    if REFUSAL.match(text):
        return Failure(f"the model refused: {text[:80]}")
    return text
