"""Explanations, failures and costs: what an explainer returns, and the explainer itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface.evidence import Evidence, ExplainText
from benchmark.interface.subject import SubjectModel

if TYPE_CHECKING:
    from benchmark.vocabulary import Vocabulary

MEASURED_COSTS = ("bytes", "characters", "explain_seconds", "lines")


class Costs(dict[str, float]):
    """Costs of explaining or simulating, by name: `Costs(llm_tokens=812, usd=0.002)`.

    Each becomes a column of the table, `cost/<name>`. `subject_tokens` and `seconds` are measured
    by the harness for everyone: given here, they say how what was measured is shared among the
    neurons, and count themselves where they are more.

    Raises:
        BenchmarkError: a name is none, or a number is negative or not finite.

    Example:
        >>> import benchmark
        >>> benchmark.Costs(llm_tokens=812, usd=0.002)["usd"]
        0.002
    """

    def __init__(self, costs: Mapping[str, float] | None = None, /, **named: float) -> None:
        super().__init__({**(costs or {}), **named})
        for name, value in self.items():
            if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise BenchmarkError(
                    f"cost {name!r:.60} has no name for a column: take small letters, digits and _."
                )
            real = isinstance(value, int | float) and not isinstance(value, bool)
            if not real or not 0 <= value < math.inf:
                raise BenchmarkError(
                    f"cost '{name}' is {value!r:.60}; a cost is a number of at least 0."
                )
            if name in MEASURED_COSTS or name.startswith("simulate"):
                raise BenchmarkError(f"cost '{name}' is measured by the harness; rename it.")


@dataclass(frozen=True)
class Failure:
    """A neuron that could not be explained: it stays in the results and scores as zero.

    Attributes:
        error: why, for a person.
        transient: whether the reason passes, such as an endpoint that is down. Such a failure is
            no result: the run stops, keeps what is explained, and the same command tries again.

    Example:
        >>> import benchmark
        >>> benchmark.Failure("no exemplar is strong enough").error
        'no exemplar is strong enough'
    """

    error: str
    transient: bool = False


@runtime_checkable
class Explanation(Protocol):
    """What an explainer says about one neuron; `BaseExplanation` is a base class for it.

    One that is a program also has `simulate` (see `Program`); one that is text is simulated by a
    `Simulator`. What it raises makes the neuron a failure and ends no run.

    Whether its text is complete, so that `describe` says all that predicts, an explanation states
    in `text_is_complete`: see `CompleteText`. Without that attribute the text of a program is not
    complete. A text that a simulator reads is complete by nature.

    Example:
        >>> import torch
        >>> class Constant:
        ...     def __init__(self, value):
        ...         self.value = value
        ...     def simulate(self, tokens):  # [batch, pos] -> [batch, pos], raw units
        ...         return torch.full(tokens.shape, self.value)
        ...     def describe(self):
        ...         return f"always {self.value}"
        ...     def to_dict(self):
        ...         return {"value": self.value}
        ...     @classmethod
        ...     def from_dict(cls, data):
        ...         return cls(data["value"])
        >>> import benchmark
        >>> isinstance(Constant(0.5), benchmark.Explanation)
        True
    """

    def describe(self) -> str:
        """Return the explanation for a person, at most one screen."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON values, which are saved and whose size is counted.

        The size, `cost/bytes`, is that of canonical JSON compressed by bzip2. What stands under the
        top-level key `shown` is for people and does not count: `from_dict` is given it, but an
        explanation without it must simulate the same.
        """
        ...

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Explanation:
        """Return the explanation that `to_dict` saved."""
        ...


@runtime_checkable
class Program(Explanation, Protocol):
    """An explanation that simulates itself.

    Example:
        >>> import benchmark
        >>> from explainers.token_lookup import TokenLookupExplanation
        >>> issubclass(TokenLookupExplanation, benchmark.Program)
        True
    """

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Predict the neuron's activation on every token, in raw units."""
        ...


@runtime_checkable
class CompleteText(Program, Protocol):
    """A program whose text is the whole explanation: the text, read back, simulates the same.

    Only such explanations, and texts that a `Simulator` reads, stand on the track `readable` of the
    leaderboards; the columns `cost/characters` and `cost/lines` count what `describe` returns.

    Example:
        >>> import torch
        >>> import benchmark
        >>> class OneToken(benchmark.BaseExplanation):
        ...     token: int
        ...     spelling: str
        ...     text_is_complete = True
        ...     def simulate(self, tokens):
        ...         return (tokens == self.token).float()
        ...     def describe(self):
        ...         return f"1 on {self.spelling}"
        ...     @classmethod
        ...     def from_text(cls, text, vocabulary):
        ...         spelling = text.removeprefix("1 on ")
        ...         tokens = vocabulary.read(spelling)  # raises ValueError
        ...         if text == spelling or len(tokens) != 1:
        ...             raise ValueError(f"'{text}' does not say '1 on' and one token.")
        ...         return cls(tokens[0], spelling)
        >>> subject = benchmark.load_subject("solu-tiny", device="cpu")
        >>> vocabulary = benchmark.Vocabulary.of(subject)
        >>> explanation = OneToken(300, vocabulary.spell(300))
        >>> isinstance(explanation, benchmark.CompleteText)
        True
        >>> again = OneToken.from_text(explanation.describe(), vocabulary)
        >>> again.simulate(torch.tensor([[299, 300]]))
        tensor([[0., 1.]])
    """

    @property
    def text_is_complete(self) -> bool:
        """Return whether `describe` says all that predicts; an attribute of the class will do.

        One class may have complete and incomplete texts, as by an option of its explainer.
        """
        ...

    @classmethod
    def from_text(cls, text: str, vocabulary: Vocabulary) -> Program:
        """Return the explanation that describes itself so; it simulates equally, bit for bit.

        Args:
            text: what `describe` returned.
            vocabulary: the spellings of the subject's token ids.

        Raises:
            ValueError: the text is none that `describe` returns; the sentence names the line that
                cannot be read.
        """
        ...


def has_complete_text(explanation: Explanation) -> bool:
    """Return whether `describe` gives the whole explanation, see `CompleteText`.

    A program says so itself and can be read back; a text that a simulator reads is complete.
    """
    if not callable(getattr(explanation, "simulate", None)):
        return True
    stated = getattr(explanation, "text_is_complete", False) is True
    return stated and callable(getattr(explanation, "from_text", None))


@dataclass(frozen=True)
class TextLine:
    """One line of a complete text, with what it does in the evidence.

    Attributes:
        text: the line, as `describe` has it.
        variance: the part of the neuron's variance that is lost without it, None where unknown.
        precision: of the tokens on which it says something, the part on which the neuron fires.
        matches: on how many of a thousand tokens it says something.

    Example:
        >>> import benchmark
        >>> benchmark.TextLine("85 ‹·import›", variance=0.4, precision=0.9, matches=1.2).variance
        0.4
    """

    text: str
    variance: float | None = None
    precision: float | None = None
    matches: float | None = None


@runtime_checkable
class OffersLines(Protocol):
    """A complete text whose lines can be judged one by one.

    Example:
        >>> import benchmark
        >>> isinstance("text", benchmark.OffersLines)
        False
    """

    def lines(self) -> Sequence[TextLine]:
        """Return the lines of `describe`, in its order."""
        ...

    def deciding_lines(self, tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
        """Return for each token the line that decides most of its prediction, counted from 0."""
        ...


@dataclass(frozen=True)
class Explained:
    """An answer of an explainer together with what it cost.

    Attributes:
        answer: the explanation, or why there is none.
        costs: named numbers of at least 0; see `Costs`.
        candidates: other explanations of the same neuron. The run keeps the one, of these and the
            answer, whose simulation correlates best with the neuron on a few contexts of the
            `calibrate` split; what that costs stands in columns `cost/choose_<name>`.

    Example:
        >>> import benchmark
        >>> answer = benchmark.Failure("the model said nothing")
        >>> benchmark.Explained(answer, benchmark.Costs(llm_tokens=12)).costs
        {'llm_tokens': 12}
    """

    answer: Explanation | Failure
    costs: Mapping[str, float] = field(default_factory=Costs)
    candidates: tuple[Explanation, ...] = ()

    @classmethod
    def of(cls, answer: Answer) -> Explained:
        """Return an answer with its costs; one that names none has none."""
        return answer if isinstance(answer, Explained) else cls(answer)


Answer = Explanation | Failure | Explained
"""What an explainer may give for a neuron."""


@runtime_checkable
class Explainer(Protocol):
    """A method that turns evidence about a block of neurons into one explanation for each.

    `evidence` is one of `EVIDENCE_KINDS`: the harness gives exactly what it names, records it with
    the run and shows it in the tables, so that a method that saw more is not taken for a better
    one. `BaseExplainer` is a base class for methods that explain one neuron at a time.

    An explainer may also define `simulate_block(explanations, tokens) -> [batch, pos, n]`, a
    faster joint simulation that agrees exactly with simulating one by one; and, where its evidence
    includes `text`, `prepare` (see `ReadsExplainText`). One whose explanations depend on the other
    neurons of the block, which only a control may want, says so by `needs_block = True`;
    `python -m benchmark check` checks what else every explainer keeps to.

    Example:
        >>> import benchmark
        >>> from explainers.token_lookup import TokenLookup, TokenLookupExplanation
        >>> class Mine:
        ...     evidence = "exemplars"
        ...     explanation_class = TokenLookupExplanation
        ...     def explain(self, evidence, subject):  # one answer per neuron of the block
        ...         return TokenLookup(evidence="exemplars").explain(evidence, subject)
        >>> isinstance(Mine(), benchmark.Explainer)
        True
    """

    evidence: str
    explanation_class: ClassVar[type[Any]]

    def explain(self, evidence: Evidence, subject: SubjectModel) -> Iterable[Answer]:
        """Return one answer per neuron, in the order of `evidence.neurons`.

        A generator is saved neuron by neuron: a run that is killed goes on with the neurons for
        which nothing was yielded yet. An error of the network (`ConnectionError`, `TimeoutError`,
        that of an HTTP client) or a transient `Failure` stops the run at once.
        """
        ...


class Storage(Protocol):
    """Tensors kept on disk under a kind and everything that determines them (JSON-able).

    Raises:
        BenchmarkError: the kind is one that runs keep their own measurements under.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from benchmark.files.tensor_cache import TensorCache
        >>> storage = TensorCache(Path(tempfile.mkdtemp()))
        >>> storage.read("my_table", {"size": 2}) is None
        True
        >>> storage.write("my_table", {"size": 2}, {"table": torch.ones(2)})
        >>> storage.read("my_table", {"size": 2})["table"].tolist()
        [1.0, 1.0]
    """

    def read(self, kind: str, determinants: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """Return the tensors, or None if there are none."""
        ...

    def write(
        self, kind: str, determinants: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        """Keep tensors for later runs."""
        ...


@runtime_checkable
class ReadsExplainText(Protocol):
    """An explainer that learns something from the corpus before it explains neurons.

    The runner calls `prepare` once, before the first block, if the explainer's `evidence` includes
    `text`; never in order to simulate, score or show explanations, which must not need it. An
    explainer is not given the subject here, so that everything it asks the subject is counted for
    the neurons it asks about.
    """

    def prepare(self, text: ExplainText, storage: Storage) -> None:
        """Learn from the `explain` split, or read from the storage what was learnt before."""
        ...


@runtime_checkable
class NeedsSubject(Protocol):
    """An explanation that asks the subject again while simulating (a control, not a method)."""

    def bind(self, subject: SubjectModel) -> None:
        """Give a loaded explanation the subject it asks."""
        ...
