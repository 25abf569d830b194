"""What an explainer author sees: evidence in, explanations out.

`Evidence` is about a block of neurons of one layer, not one neuron, so that an explainer can work
on all of them at once. Token ids travel the whole way; text is decoded only for a person.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.column import Column
from benchmark.errors import BenchmarkError

SAMPLE, TEXT = "sample", "text"
EXEMPLARS = "exemplars"
EXEMPLARS_AND_SAMPLE = f"{EXEMPLARS}+{SAMPLE}"
EXEMPLARS_AND_TEXT = f"{EXEMPLARS}+{TEXT}"
EXEMPLARS_SAMPLE_AND_TEXT = f"{EXEMPLARS}+{SAMPLE}+{TEXT}"
EVIDENCE_KINDS = (
    EXEMPLARS,
    EXEMPLARS_AND_SAMPLE,
    EXEMPLARS_AND_TEXT,
    EXEMPLARS_SAMPLE_AND_TEXT,
)
"""What an explainer may see.

`exemplars`: each neuron's strongest contexts with its activations. `sample`: also contexts drawn
uniformly, with its activations. `text`: also the token ids of the whole `explain` split, without
any activation. All kinds include the numbers of `Evidence` that are about the whole split.
"""


def includes(kind: str, part: str) -> bool:
    """Return whether a kind of evidence such as `exemplars+text` includes a part such as `text`."""
    return part in kind.split("+")


@dataclass(frozen=True)
class Exemplars:
    """Each neuron's strongest contexts of the `explain` split, strongest first.

    Attributes:
        tokens: token ids, `[n, k, ctx]`, BOS first.
        activations: true activations there in raw units, `[n, k, ctx]`.
        anchors: position of each context's largest activation (never a BOS), `[n, k]`.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1"], **quick)
        >>> exemplars = experiment.evidence("0.1").exemplars
        >>> tuple(exemplars.tokens.shape), tuple(exemplars.anchors.shape)
        ((1, 20, 32), (1, 20))
    """

    tokens: Int[Tensor, "n k ctx"]
    activations: Float[Tensor, "n k ctx"]
    anchors: Int[Tensor, "n k"]


@dataclass(frozen=True)
class Sample:
    """Contexts of the `explain` split drawn uniformly, the same for all neurons of a subject.

    Attributes:
        tokens: token ids, `[m, ctx]`, BOS first.
        activations: true activations there in raw units, `[m, ctx, n]`.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1"], **quick)
        >>> sample = experiment.evidence("0.1").sample
        >>> tuple(sample.tokens.shape), tuple(sample.activations.shape)
        ((2048, 32), (2048, 32, 1))
    """

    tokens: Int[Tensor, "m ctx"]
    activations: Float[Tensor, "m ctx n"]


@dataclass(frozen=True)
class Evidence:
    """All that an explainer may see of a block of neurons of one layer.

    Attributes:
        layer: the layer of all neurons of the block.
        neurons: their indices in the layer, `[n]`.
        bos: the id of the BOS token, at the start of every context and between documents.
        max_activation: largest activation on the `explain` split, raw units, `[n]`.
        mean_activation: mean over the `explain` split's tokens without BOS, raw units, `[n]`.
        firing_threshold: an activation at or above it counts as firing when a run is scored, raw
            units, `[n]`; the largest float32 for a neuron that never fires.
        exemplars: the strongest contexts.
        sample: uniformly drawn contexts, or None for an explainer that does not ask for them.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1"], **quick)
        >>> evidence = experiment.evidence("0.1")
        >>> evidence.layer, evidence.neurons.tolist(), evidence.n_neurons
        (0, [1], 1)
        >>> evidence.without_sample().sample is None
        True
    """

    layer: int
    neurons: Int[Tensor, " n"]
    bos: int
    max_activation: Float[Tensor, " n"]
    mean_activation: Float[Tensor, " n"]
    firing_threshold: Float[Tensor, " n"]
    exemplars: Exemplars
    sample: Sample | None

    @property
    def n_neurons(self) -> int:
        """Number of neurons in the block."""
        return int(self.neurons.shape[0])

    def without_sample(self) -> Evidence:
        """Return the same evidence restricted to exemplars."""
        return replace(self, sample=None)

    def restricted_to(self, kind: str) -> Evidence:
        """Return what an explainer of this kind of evidence, one of `EVIDENCE_KINDS`, may see."""
        return self if includes(kind, SAMPLE) else self.without_sample()

    def select(self, rows: Int[Tensor, " r"]) -> Evidence:
        """Return the evidence of some neurons of the block, given by their rows (not their
        indices).
        """
        sample = self.sample
        return replace(
            self,
            neurons=self.neurons[rows],
            max_activation=self.max_activation[rows],
            mean_activation=self.mean_activation[rows],
            firing_threshold=self.firing_threshold[rows],
            exemplars=Exemplars(
                self.exemplars.tokens[rows],
                self.exemplars.activations[rows],
                self.exemplars.anchors[rows],
            ),
            sample=sample and Sample(sample.tokens, sample.activations[..., rows]),
        )


@dataclass(frozen=True)
class SharedPrefixes:
    """Which contexts begin alike, so that the subject runs what they share once.

    For contexts that were made from a few others by changing later tokens. The prefixes change
    what a query costs and, but for rounding, not what it returns.

    Attributes:
        tokens: the prefixes, BOS first, `[prefixes, pos]`; a shorter one is filled up at the end
            with any token ids, which no context shares.
        prefix_of: the row of each context's prefix, `[batch]`.
        n_shared: how many tokens each context shares with its prefix, from the first on; at least
            1 and fewer than the context has, `[batch]`.

    Example:
        Hundred variants of a context of 64 tokens, which differ in the last four:

        >>> import torch
        >>> import benchmark
        >>> subject = benchmark.load_subject("solu-tiny", device="cpu")
        >>> context = torch.arange(64)
        >>> variants = context.repeat(100, 1)
        >>> variants[:, 60:] = torch.arange(400).reshape(100, 4)
        >>> first, n_shared = torch.zeros(100, dtype=torch.long), torch.full((100,), 60)
        >>> prefixes = benchmark.SharedPrefixes(context[None, :60], first, n_shared)
        >>> every, neuron = torch.arange(100), torch.full((100,), 400)
        >>> activations = subject.last_activations(variants, 3, every, neuron, prefixes)
        >>> activations.shape, subject.tokens_run  # 60 + 100 * 4 tokens
        (torch.Size([100]), 460)
        >>> whole = subject.last_activations(variants, 3, every, neuron)
        >>> torch.allclose(activations, whole, atol=1e-4), subject.tokens_run - 460  # 100 * 64
        (True, 6400)
    """

    tokens: Int[Tensor, "prefixes pos"]
    prefix_of: Int[Tensor, " batch"]
    n_shared: Int[Tensor, " batch"]


@runtime_checkable
class SubjectModel(Protocol):
    """The subject as explainers see it: all queries that exist, and nothing that changes it.

    Every query is counted in `tokens_run`: a forward pass counts the tokens that it runs, batch
    times positions. The mean per neuron is the column `cost/subject_tokens` of a run.

    Example:
        >>> import torch
        >>> import benchmark
        >>> subject = benchmark.load_subject("solu-tiny", device="cpu")
        >>> isinstance(subject, benchmark.SubjectModel), subject.n_units(3)
        (True, 1024)
        >>> tokens = torch.tensor([[subject.bos, 17, 4]])
        >>> tuple(subject.activations(tokens, 3, torch.tensor([400])).shape), subject.tokens_run
        ((1, 3, 1), 3)
        >>> row, neuron = torch.tensor([0]), torch.tensor([400])
        >>> tuple(subject.last_activations(tokens, 3, row, neuron).shape), subject.tokens_run
        ((1,), 6)
        >>> tuple(subject.likely_next(tokens, 5).shape), subject.tokens_run
        ((1, 3, 5), 9)
    """

    @property
    def name(self) -> str:
        """Return the subject's name."""
        ...

    @property
    def n_layers(self) -> int:
        """Return the number of layers."""
        ...

    @property
    def n_ctx(self) -> int:
        """Return the most positions that a context may have."""
        ...

    @property
    def d_vocab(self) -> int:
        """Return the number of token ids."""
        ...

    @property
    def bos(self) -> int:
        """Return the id of the BOS token, which every context begins with."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Return the subject's fast tokenizer, or a copy of it."""
        ...

    @property
    def device(self) -> torch.device:
        """Return where the subject runs; results are there, arguments may be anywhere."""
        ...

    @property
    def has_unembedding(self) -> bool:
        """Return whether `likely_next` can answer."""
        ...

    @property
    def tokens_run(self) -> int:
        """Return how many tokens were run so far."""
        ...

    def n_units(self, layer: int) -> int:
        """Return how many neurons (or other units that are explained) a layer has; costs nothing.

        Raises:
            BenchmarkError: the subject has no such layer.
        """
        ...

    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        neurons: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "batch pos n"]:
        """Return the true activations of some neurons of a layer at every position.

        Runs nothing above `layer` and counts `batch * pos` tokens.

        Args:
            tokens: token ids, no padding, at most `n_ctx` positions.
            layer: the neurons' layer.
            neurons: indices in the layer, in the order wanted; None for all of the layer.

        Returns:
            Raw activations, float32.

        Raises:
            BenchmarkError: tokens, layer or neurons are not the subject's, or memory ran out.
        """
        ...

    def last_activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        rows: Int[Tensor, " pairs"],
        neurons: Int[Tensor, " pairs"],
        prefixes: SharedPrefixes | None = None,
    ) -> Float[Tensor, " pairs"]:
        """Return activations at the last position of contexts, for pairs of context and neuron.

        Keeps one number per pair, where `activations` keeps `batch * pos * n`. Without prefixes it
        counts `batch * pos` tokens. With prefixes, and where that is cheaper and the architecture
        allows it, each prefix runs once and each context only from its first unshared token on, or
        from a little before: it counts the tokens of the prefixes and these.

        Args:
            tokens: token ids, no padding, at most `n_ctx` positions.
            layer: the neurons' layer.
            rows: for each pair, the row of `tokens`.
            neurons: for each pair, the neuron's index in the layer.
            prefixes: what the contexts have in common.

        Returns:
            Raw activations, float32.

        Raises:
            BenchmarkError: as `activations`; also for a row that does not exist, and for a context
                that does not begin as its prefix.

        See `SharedPrefixes` for an example.
        """
        ...

    def likely_next(self, tokens: Int[Tensor, "batch pos"], k: int) -> Int[Tensor, "batch pos k"]:
        """Return the token ids that are likeliest after each position, likeliest first.

        Runs all layers and the unembedding, and counts `batch * pos` tokens. With `k` above
        `d_vocab` it returns `d_vocab` ids.

        Raises:
            BenchmarkError: the subject has no unembedding, bad tokens, or memory ran out.
        """
        ...


MEASURED_COSTS = ("bytes", "explain_seconds")


class Costs(dict[str, float]):
    """Costs of explaining or simulating, by name: `Costs(llm_tokens=812, usd=0.002)`.

    Each becomes a column of the table, `cost/<name>`. `subject_tokens` and `seconds` are measured
    by the harness for everyone: given here, they say how what was measured is shared among the
    neurons, and count themselves where they are more.

    Raises:
        BenchmarkError: a name is none, or a number is negative or not finite.
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
    """An explanation that simulates itself."""

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Predict the neuron's activation on every token, in raw units."""
        ...


@dataclass(frozen=True)
class Explained:
    """An answer of an explainer together with what it cost.

    Attributes:
        answer: the explanation, or why there is none.
        costs: named numbers of at least 0; see `Costs`.
    """

    answer: Explanation | Failure
    costs: Mapping[str, float] = field(default_factory=Costs)

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


@dataclass(frozen=True)
class Prediction:
    """What a simulator predicts for some neurons.

    Attributes:
        values: raw activation units, `[n, batch, pos]`; what is not predicted may hold anything.
        predicted: the tokens that are predicted, `[batch]` for whole contexts, `[batch, pos]` for
            the same tokens of all neurons, or `[n, batch, pos]`; None for all. Only these are
            scored.
        costs: what predicting cost, by name, for all neurons together; each becomes a column
            `cost/simulate_<name>`.
    """

    values: Float[Tensor, "n batch pos"]
    predicted: Bool[Tensor, "*shape"] | None = None
    costs: Mapping[str, float] = field(default_factory=Costs)


@runtime_checkable
class NeedsTokenizer(Protocol):
    """A simulator that reads token ids as text."""

    def use_tokenizer(self, tokenizer: Any) -> None:
        """Take a copy of the subject's tokenizer; called once, before anything is simulated."""
        ...


@runtime_checkable
class Simulator(Protocol):
    """Who predicts from explanations that do not simulate themselves, such as text.

    It is chosen by the config group `simulator` and may hold a client or a model: it is made from
    its options, and nothing of it is saved with the explanations. Its predictions depend on the
    explanations and the tokens alone. One that reads text takes the tokenizer; see
    `NeedsTokenizer`.
    """

    def simulate(
        self, explanations: Sequence[Explanation], tokens: Int[Tensor, "batch pos"]
    ) -> Prediction:
        """Predict the activations of the explanations' neurons, all tokens or a part of them."""
        ...


@dataclass(frozen=True)
class ExplainText:
    """The text of the whole `explain` split, which evidence of the kinds with `text` includes.

    Attributes:
        tokens: token ids of the split's contexts, `[n, ctx]`, BOS first; nothing of `calibrate`
            or `held_out` is among them.
        bos: the id of the BOS token, at the start of every context and between documents.
        tokenizer: the subject's tokenizer, to read the ids as text.
        d_vocab: number of token ids of the subject.

    Example:
        >>> import benchmark
        >>> class Counts:  # an explainer whose evidence includes text is given it before all else
        ...     evidence = "exemplars+text"
        ...     def prepare(self, text: benchmark.ExplainText, storage: benchmark.Storage):
        ...         self.counts = text.tokens.flatten().bincount(minlength=text.d_vocab)
        >>> import torch
        >>> counts = Counts()
        >>> text = benchmark.ExplainText(torch.tensor([[0, 2, 2]]), 0, None, d_vocab=4)
        >>> counts.prepare(text, storage=None)
        >>> counts.counts.tolist()
        [1, 0, 2, 0]
    """

    tokens: Int[Tensor, "n ctx"]
    bos: int
    tokenizer: Any
    d_vocab: int


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


def text_mask(tokens: Int[Tensor, "*shape"], bos: int) -> Bool[Tensor, "*shape"]:
    """Return where a token counts: everywhere but on BOS, which is never scored."""
    return torch.ne(tokens, bos)


class HeldOut(Protocol):
    """What a block of neurons truly does on held-out text.

    Attributes:
        bos: the id of the BOS token, whose positions are never scored.
        tokens: the contexts that any scoring set uses, `[u, ctx]`.
        uniform: the rows of `tokens` in the `uniform` set, the same for all neurons, `[m]`.
        top: the rows of each neuron's own strongest contexts, strongest first, `[n, k]`.
        uniform_activations: on the `uniform` set, raw units, `[n, m, ctx]`.
        top_activations: on the `top` set, raw units, `[n, k, ctx]`.
        documents: the document that each token of the `uniform` set belongs to, `[m, ctx]`.
        predicted: the tokens of `tokens` that are scored because a simulator predicted them, one
            mask where all neurons share it; None for all.
    """

    @property
    def bos(self) -> int: ...  # noqa: D102
    @property
    def tokens(self) -> Int[Tensor, "u ctx"]: ...  # noqa: D102
    @property
    def uniform(self) -> Int[Tensor, " m"]: ...  # noqa: D102
    @property
    def top(self) -> Int[Tensor, "n k"]: ...  # noqa: D102
    @property
    def uniform_activations(self) -> Float[Tensor, "n m ctx"]: ...  # noqa: D102
    @property
    def top_activations(self) -> Float[Tensor, "n k ctx"]: ...  # noqa: D102
    @property
    def documents(self) -> Int[Tensor, "m ctx"]: ...  # noqa: D102
    @property
    def predicted(self) -> Bool[Tensor, "#n u ctx"] | None: ...  # noqa: D102

    def rows(self, scoring_set: str) -> Int[Tensor, "n c"]:
        """Return the rows of `tokens` that make up a scoring set, for each neuron."""
        ...

    def activations(self, scoring_set: str) -> Float[Tensor, "n c ctx"]:
        """Return the true activations on a scoring set, in the order of `rows`."""
        ...

    def scored(self, scoring_set: str) -> Bool[Tensor, "#n c ctx"]:
        """Return which tokens of a scoring set are scored; one mask where all neurons share it."""
        ...


class CalibrationText(Protocol):
    """What a block of neurons truly does on the `calibrate` split, `[m, ctx]` and `[n, m, ctx]`."""

    @property
    def bos(self) -> int: ...  # noqa: D102
    @property
    def tokens(self) -> Int[Tensor, "m ctx"]: ...  # noqa: D102
    @property
    def activations(self) -> Float[Tensor, "n m ctx"]: ...  # noqa: D102


class Simulated(Protocol):
    """What a block of explanations predicts on some tokens, raw units.

    Attributes:
        predictions: `[n, batch, pos]`; zero for a neuron without explanation, and on tokens that
            a simulator did not predict.
        explanations: one per neuron; one that could not be simulated is a failure.
        predicted: the tokens that a simulator predicted, one mask where all neurons share it; None
            for all.
    """

    @property
    def predictions(self) -> Float[Tensor, "n batch pos"]: ...  # noqa: D102
    @property
    def explanations(self) -> Sequence[Explanation | Failure]: ...  # noqa: D102
    @property
    def predicted(self) -> Bool[Tensor, "#n batch pos"] | None: ...  # noqa: D102


@dataclass(frozen=True)
class ScoredBlock:
    """A block of explained neurons of one layer, as scorers see it.

    Attributes:
        layer: the layer of all neurons of the block.
        neurons: their indices in the layer, `[n]`.
        truth: their true activations on held-out text.
        predictions: simulated activations on `truth.tokens`, raw units, `[n, u, ctx]`. A scorer
            must not change them.
        explanations: one per neuron, or its failure, whose predictions are zero.
        firing_threshold: an activation at or above it counts as firing, raw units, `[n]`.
        mean_activation: on the `explain` split, raw units, `[n]`.
        max_activation: largest on the `explain` split, raw units, `[n]`.
        subject: the language model.
        simulate: predicts the block on other tokens, `[batch, pos]`.
        thresholds: firing thresholds under another firing reference, by its name.
        calibration: reads the truth on the `calibrate` split.
    """

    layer: int
    neurons: Int[Tensor, " n"]
    truth: HeldOut
    predictions: Float[Tensor, "n u ctx"]
    explanations: Sequence[Explanation | Failure]
    firing_threshold: Float[Tensor, " n"]
    mean_activation: Float[Tensor, " n"]
    max_activation: Float[Tensor, " n"]
    subject: SubjectModel
    simulate: Callable[[Tensor], Simulated]
    thresholds: Callable[[str], Tensor]
    calibration: Callable[[], CalibrationText]

    def predicted(self, scoring_set: str) -> Float[Tensor, "n c ctx"]:
        """Return the predictions on a scoring set, in the order of `truth.activations`."""
        neuron = torch.arange(len(self.neurons))[:, None]
        return self.predictions[neuron, self.truth.rows(scoring_set)]


@runtime_checkable
class Scorer(Protocol):
    """What is measured of a block of explanations.

    A scorer is chosen by a YAML file that names its class by `_target_`, the other keys being its
    options. It may also define `check(subject)`, which raises a `BenchmarkError` for a subject
    that it cannot score, before anything is computed.
    """

    def columns(self) -> Sequence[Column]:
        """Return what each column is that `score` gives."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the scores besides the options, as JSON values; often nothing."""
        ...

    def score(self, block: ScoredBlock) -> Mapping[str, Any]:
        """Return one value per neuron for every column, `[n]`; NaN or None where there is none."""
        ...
