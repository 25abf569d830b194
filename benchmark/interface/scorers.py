"""Scorers: what is measured of a block of explained neurons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.column import Column
from benchmark.interface.explanations import Explanation, Failure
from benchmark.interface.subject import SubjectModel


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
        sets: the scoring sets that are scored: all, unless a simulator predicts some alone.
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
    @property
    def sets(self) -> Sequence[str]: ...  # noqa: D102

    def rows(self, scoring_set: str) -> Int[Tensor, "n c"]:
        """Return the rows of `tokens` that make up a scoring set, for each neuron."""
        ...

    def activations(self, scoring_set: str) -> Float[Tensor, "n c ctx"]:
        """Return the true activations on a scoring set, in the order of `rows`."""
        ...

    def scored(self, scoring_set: str) -> Bool[Tensor, "#n c ctx"]:
        """Return which tokens of a scoring set are scored; one mask where all neurons share it."""
        ...

    def documents_of(self, scoring_set: str) -> Int[Tensor, "c ctx"]:
        """Return the document that each token of a set belongs to that all neurons share."""
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

    Example:
        >>> import benchmark
        >>> def score(block: benchmark.ScoredBlock):  # of a scorer with a column `error/mean`
        ...     truth = block.truth.activations("uniform")  # [n, contexts, pos], raw units
        ...     error = (truth - block.predicted("uniform")).abs()
        ...     return {"error/mean": error.mean(dim=(1, 2))}  # [n]
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

    Example:
        >>> import benchmark
        >>> class FiringNeurons:
        ...     def columns(self):
        ...         return [benchmark.Column(name="firing/ever", dtype="bool", summary="count")]
        ...     def identity(self):
        ...         return {}
        ...     def score(self, block):
        ...         return {"firing/ever": block.max_activation > 0}
        >>> isinstance(FiringNeurons(), benchmark.Scorer)
        True
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
