"""Scores of a whole run: what a scorer may measure once every block is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from benchmark.evidence import EvidenceStore
    from benchmark.results import SavedExplanation, Scores
    from benchmark.subject import Subject


@dataclass(frozen=True)
class ScoredRun:
    """A run whose blocks are all scored.

    Attributes:
        subject: the language model.
        store: its evidence and truth.
        scores: reads the rows of all blocks.
        explanations: reads what is saved of every neuron, by layer and neuron.
        simulate: predicts neurons, given what is saved of them, on tokens, `[n, batch, pos]`.
    """

    subject: Subject
    store: EvidenceStore
    scores: Callable[[], Scores]
    explanations: Callable[[], Iterator[SavedExplanation]]
    simulate: Callable[[Sequence[SavedExplanation], Tensor], Float[Tensor, "n batch pos"]]


@runtime_checkable
class FinishesRun(Protocol):
    """A scorer that also measures something of many neurons at once."""

    def finish(self, run: ScoredRun) -> Mapping[str, Any]:
        """Return fields of the run's record by their names."""
        ...
