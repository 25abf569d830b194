"""All-at-once simulator: the levels of a whole text from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import LabelError, LabelRequest, LanguageModel, Usage
from benchmark.simulators.examples import EXAMPLES
from benchmark.simulators.levels import NINE, TEN, Asked, LevelSimulator, Spent, expected

UNKNOWN = "unknown"
INTRODUCTION = """\
Every neuron of a language model looks for something in a text. Below, one sentence tells what a
neuron looks for, and then a text is listed, one token on a line. Behind a tab stands how strongly
the neuron fires on that token: a whole number from 0, not at all, to {highest}, as strongly as it
ever does. On most tokens it is 0. Where nobody has looked yet, the line says "unknown".
"""


class AllAtOnce(LevelSimulator):
    """Reads the expected level of every token where a prompt says "unknown" (Bills et al. 2023).

    The prompt lists three example neurons, whose levels are hidden up to a token and told from
    there on, then the sentence and the text with `unknown` behind every token. At each of these
    places the probabilities of the levels are read instead, so that no level depends on another.

    Scale: expected level / 10 x the neuron's largest activation on the `explain` split. Levels go
    from 0 to 10 where the model has each of these labels as one token, else from 0 to 9, and then
    the expected level is divided by 9.

    It needs a language model that gives the probabilities of a prompt: `llm=local`, or a server
    such as vLLM or SGLang.
    """

    name = "all_at_once"
    _labels: tuple[str, ...] | None = None

    def use_language_model(self, model: LanguageModel) -> None:
        """Take the language model.

        Raises:
            BenchmarkError: it gives no probabilities of a prompt.
        """
        if not model.reads_labels:
            raise BenchmarkError(
                f"simulator=all_at_once reads probabilities inside of a prompt, which language "
                f"model '{model.name}' does not give; take simulator=json, or llm=local."
            )
        super().use_language_model(model)

    def read(self, asked: Sequence[Asked]) -> tuple[list[Float[Tensor, " tokens"]], Spent]:
        """Return the expected level of each token, as a part of the highest."""
        if not asked:
            return [], Spent(Usage(), 0)
        labels = self.labels()
        prefixes = {one.explanation: prefix(one.explanation, labels) for one in asked}
        texts = {one.tokens: pieces(one.tokens) for one in asked}
        requests = [
            LabelRequest(prefixes[one.explanation], texts[one.tokens], UNKNOWN, labels)
            for one in asked
        ]
        replies = self.model.read_labels(requests)
        usage = sum((reply.usage for reply in replies), Usage())
        unread = sum(bool(reply.logprobs.isnan().any(1).all()) for reply in replies)
        return [expected(reply.logprobs) for reply in replies], Spent(usage, len(replies), unread)

    def labels(self) -> tuple[str, ...]:
        """Return the levels that the model has as single tokens where they are read.

        Raises:
            BenchmarkError: not even 0 to 9 are.
        """
        if self._labels is None:
            example = EXAMPLES[0]
            for labels in (TEN, NINE):
                text = pieces(example.tokens[:2])
                request = LabelRequest(prefix(example.explanation, labels), text, UNKNOWN, labels)
                try:
                    self.model.read_labels([request])
                except LabelError:
                    if labels is NINE:
                        raise
                else:
                    self._labels = labels
                    break
        assert self._labels is not None
        return self._labels


def pieces(tokens: Sequence[str]) -> tuple[str, ...]:
    """Return the text before each place: a token and a tab on a line of its own."""
    return tuple(f"{chr(10) if at else ''}{token}\t" for at, token in enumerate(tokens))


def prefix(explanation: str, labels: Sequence[str]) -> str:
    """Return the prompt up to the first token: instructions, example neurons, the sentence."""
    highest = len(labels) - 1
    parts = [INTRODUCTION.format(highest=highest)]
    for number, example in enumerate(EXAMPLES, start=1):
        lines = [
            f"{token}\t{UNKNOWN if at < example.revealed else example.level(at, highest)}"
            for at, token in enumerate(example.tokens)
        ]
        parts.append(_heading(number, example.explanation) + "\n".join(lines) + "\n<end>\n")
    parts.append(_heading(len(EXAMPLES) + 1, explanation))
    return "\n".join(parts)


def _heading(number: int, explanation: str) -> str:
    return f"Neuron {number}\nIt looks for: {' '.join(explanation.split())}\n<start>\n"
