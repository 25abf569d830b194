"""Evidence: what an explainer may see of a block of neurons, and of the corpus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

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
        documents: which document of the split each token belongs to, `[n, k, ctx]`; None where
            that is not known.

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
    documents: Int[Tensor, "n k ctx"] | None = None


@dataclass(frozen=True)
class Sample:
    """Contexts of the `explain` split drawn uniformly, the same for all neurons of a subject.

    Attributes:
        tokens: token ids, `[m, ctx]`, BOS first.
        activations: true activations there in raw units, `[m, ctx, n]`.
        documents: which document of the split each token belongs to, `[m, ctx]`, numbered as in
            `Exemplars`; None where that is not known.

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
    documents: Int[Tensor, "m ctx"] | None = None


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
        """Return the evidence of some neurons of the block, given by rows (not by indices)."""
        exemplars, sample = self.exemplars, self.sample
        return replace(
            self,
            neurons=self.neurons[rows],
            max_activation=self.max_activation[rows],
            mean_activation=self.mean_activation[rows],
            firing_threshold=self.firing_threshold[rows],
            exemplars=Exemplars(
                exemplars.tokens[rows],
                exemplars.activations[rows],
                exemplars.anchors[rows],
                None if exemplars.documents is None else exemplars.documents[rows],
            ),
            sample=sample and replace(sample, activations=sample.activations[..., rows]),
        )


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


def text_mask(tokens: Int[Tensor, "*shape"], bos: int) -> Bool[Tensor, "*shape"]:
    """Return where a token counts: everywhere but on BOS, which is never scored."""
    return torch.ne(tokens, bos)
