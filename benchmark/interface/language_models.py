"""Language models that explain, simulate or judge: what they are asked, and what they answer.

They are told apart from the *subject*, the language model whose units are explained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError


@dataclass(frozen=True)
class Message:
    """One message of a conversation with a language model.

    Attributes:
        role: who speaks.
        content: the text.

    Example:
        >>> import benchmark
        >>> benchmark.Message("user", "What does this neuron find?").role
        'user'
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """What a language model is asked for: the continuation of a conversation.

    Two equal requests to one model have one answer, which is kept; `sample` tells apart requests
    whose answers shall be drawn separately.

    Attributes:
        messages: the conversation so far.
        max_tokens: most tokens of the answer.
        temperature: 0 for the likeliest answer.
        sample: number of the draw, for several answers to the same messages.
        stop: texts at which the answer ends.
        top_logprobs: for how many of the likeliest tokens, at each token of the answer,
            log-probabilities are wanted; 0 for none.
        schema: JSON schema that the answer should keep to; None for free text.

    Example:
        >>> import benchmark
        >>> asked = benchmark.Request((benchmark.Message("user", "One word?"),), max_tokens=1)
        >>> asked.temperature
        0.0
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    sample: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int = 0
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Usage:
    """What an answer of a language model cost when it was first given.

    Attributes:
        prompt_tokens: tokens that were read, the cached ones included.
        cached_tokens: of these, tokens whose keys and values were there already.
        completion_tokens: tokens that were written.
        usd: what was paid, in US dollars; 0 for a model without a price.

    Example:
        >>> import benchmark
        >>> benchmark.Usage(prompt_tokens=800, completion_tokens=12).tokens
        812
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        """Return what two answers cost together."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.usd + other.usd,
        )


@dataclass(frozen=True)
class Reply:
    """What a language model answered.

    Attributes:
        text: the answer.
        finished: whether it ended by itself; False where `max_tokens` cut it.
        usage: what it cost.
        logprobs: for each token of the answer the log-probabilities of the likeliest tokens by
            their text; None where none were wanted or the endpoint gives none.

    Example:
        >>> import benchmark
        >>> benchmark.Reply("words about rain").finished
        True
    """

    text: str
    finished: bool = True
    usage: Usage = field(default_factory=Usage)
    logprobs: tuple[Mapping[str, float], ...] | None = None


@dataclass(frozen=True)
class LabelRequest:
    r"""A text in which the probabilities of some labels are read at several places.

    The text is `prefix`, then each of `pieces` followed by `placeholder`. The probabilities are
    read at the end of each piece, where the placeholder stands next, so that what is read at one
    place never depends on what was read at another.

    Attributes:
        prefix: what many requests share; it is run once.
        pieces: the text before each place.
        placeholder: the token that stands at each place, such as `unknown`.
        labels: what is read there, such as `0` to `10`; each must be one token after a piece.

    Example:
        >>> import benchmark
        >>> pieces = ("the\t", "\ncat\t")
        >>> asked = benchmark.LabelRequest("Neuron 1\n", pieces, "unknown", ("0", "1"))
        >>> len(asked.pieces)
        2
    """

    prefix: str
    pieces: tuple[str, ...]
    placeholder: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelReply:
    """The log-probabilities of labels at the places of a text.

    Attributes:
        logprobs: `[places, labels]`, among the labels alone: their probabilities sum to 1; NaN in
            the row of a place at which none could be read.
        usage: what it cost.

    Example:
        >>> import benchmark, torch
        >>> reply = benchmark.LabelReply(torch.tensor([[0.25, 0.75]]).log())
        >>> (reply.logprobs.exp() @ torch.tensor([0.0, 1.0])).tolist()  # the expected label
        [0.75]
    """

    logprobs: Float[Tensor, "places labels"]
    usage: Usage = field(default_factory=Usage)


class LabelError(BenchmarkError):
    """A label is not one token of the language model where it should be read."""


@runtime_checkable
class LanguageModel(Protocol):
    """A language model that answers, behind an endpoint or in this process.

    Every answer is kept where it arrives, so that nothing is asked twice.

    Attributes:
        name: of the model, for tables and messages.
        reads_labels: whether `read_labels` is possible.

    Example:
        >>> import benchmark
        >>> class Echo:
        ...     name, reads_labels = "echo", False
        ...     def ask(self, requests):
        ...         return [benchmark.Reply(one.messages[-1].content) for one in requests]
        ...     def read_labels(self, requests):
        ...         raise NotImplementedError
        >>> isinstance(Echo(), benchmark.LanguageModel)
        True
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def reads_labels(self) -> bool: ...  # noqa: D102

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the answers in the order of the requests, asked side by side.

        Raises:
            BenchmarkError: the model cannot be reached, refuses, or the budget is used up; what
                arrived before is kept.
        """
        ...

    def read_labels(self, requests: Sequence[LabelRequest]) -> list[LabelReply]:
        """Return the probabilities of labels in the order of the requests.

        Raises:
            BenchmarkError: as `ask`; the model gives no probabilities of a prompt.
            LabelError: a label is not one token where it is read.
        """
        ...


@runtime_checkable
class ReadsTokenIds(Protocol):
    """A language model whose logits can be read at each token id of a text, in this process.

    Attributes:
        tokenizer: the model's own, to compare its token ids with those of a subject.

    Example:
        >>> import benchmark
        >>> isinstance(object(), benchmark.ReadsTokenIds)
        False
    """

    @property
    def tokenizer(self) -> Any: ...  # noqa: D102

    def first_logits(
        self, prefixes: Sequence[str], tokens: Int[Tensor, "batch pos"], n: int
    ) -> Float[Tensor, "prefixes batch pos n"]:
        """Return the logits of the vocabulary's first `n` tokens at each of the given tokens.

        Each context of `tokens` is put after each prefix; prefixes are run once.
        """
        ...


@runtime_checkable
class NeedsLanguageModel(Protocol):
    """An explainer, simulator or scorer that asks a language model.

    Its option `llm` names one of its own by the keys of the config group `llm`; where it is null
    or missing, the run's own `llm` is handed over.

    Example:
        >>> import benchmark
        >>> class Asks:
        ...     def use_language_model(self, model):
        ...         self.model = model
        >>> isinstance(Asks(), benchmark.NeedsLanguageModel)
        True
    """

    def use_language_model(self, model: LanguageModel) -> None:
        """Take the language model; called once, before anything is asked."""
        ...
