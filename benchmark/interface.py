"""What an explainer author sees: evidence in, explanations out.

`Evidence` is about a block of neurons of one layer, not one neuron, so that an explainer can work
on all of them at once. Token ids travel the whole way; text is decoded only for a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

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
        """The same evidence restricted to exemplars."""
        return replace(self, sample=None)

    def restricted_to(self, kind: str) -> Evidence:
        """Return what an explainer of this kind of evidence, one of `EVIDENCE_KINDS`, may see."""
        return self if includes(kind, SAMPLE) else self.without_sample()

    def select(self, rows: Int[Tensor, " r"]) -> Evidence:
        """The evidence of some neurons of the block, given by their rows (not their indices)."""
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


@runtime_checkable
class SubjectModel(Protocol):
    """The part of a subject that explainers use; every token they ask about is counted.

    Attributes:
        name: the subject's name.
        n_layers: number of layers.
        n_ctx: number of positions.
        d_vocab: number of token ids.
        bos: the id of the BOS token.
        tokenizer: the subject's tokenizer.

    Raises:
        BenchmarkError: `activations` is given tokens, a layer or neurons that it does not have.

    Example:
        >>> import benchmark
        >>> subject = benchmark.load_subject("planted", device="cpu")
        >>> isinstance(subject, benchmark.SubjectModel)
        True
    """

    name: str
    n_layers: int
    n_ctx: int
    d_vocab: int
    bos: int
    tokenizer: Any

    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        layer: int,
        neurons: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "batch pos n"]:
        """True activations in raw units as float32; runs nothing above `layer`."""
        ...


@dataclass(frozen=True)
class Failure:
    """A neuron that could not be explained: it stays in the results and scores as zero.

    Attributes:
        error: why, for a person.

    Example:
        >>> import benchmark
        >>> benchmark.Failure("no exemplar is strong enough").error
        'no exemplar is strong enough'
    """

    error: str


@runtime_checkable
class Explanation(Protocol):
    """What an explainer says about one neuron.

    What it raises makes the neuron a failure and ends no run.

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

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Predict the neuron's activation on every token, in raw units."""
        ...

    def describe(self) -> str:
        """The explanation for a person, at most one screen."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON-able values: what is saved, and what its size is counted on."""
        ...

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Explanation:
        """The explanation that `to_dict` saved."""
        ...


@runtime_checkable
class Explainer(Protocol):
    """A method that turns evidence about a block of neurons into one explanation for each.

    `evidence` is one of `EVIDENCE_KINDS`: the harness gives exactly what it names, records it with
    the run and shows it in the tables, so that a method that saw more is not taken for a better
    one.

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

    def explain(self, evidence: Evidence, subject: SubjectModel) -> Sequence[Explanation | Failure]:
        """One explanation or failure per neuron, in the order of `evidence.neurons`."""
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
        """The tensors, or None if there are none."""
        ...

    def write(
        self, kind: str, determinants: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        """Keep tensors for later runs."""
        ...


@runtime_checkable
class ReadsExplainText(Protocol):
    """An explainer that learns something from the corpus before it is asked about neurons.

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
    """True where a token counts: everywhere but on BOS, which is never scored."""
    return torch.ne(tokens, bos)
