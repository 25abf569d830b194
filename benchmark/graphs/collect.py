"""The graphs of a run, one after another."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun
from benchmark.graphs.graph import NeuronGraph
from benchmark.interface import Explanation
from benchmark.results import Run
from benchmark.terminal.progress import progress


@dataclass(frozen=True)
class SavedGraph:
    """A neuron's graph, or why there is none."""

    layer: int
    neuron: int
    graph: NeuronGraph | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """Return the neuron as it is typed: `3.400`."""
        return f"{self.layer}.{self.neuron}"


def graph_of(explanation: Explanation, neuron: str) -> NeuronGraph:
    """Return the graph of an explanation.

    Raises:
        BenchmarkError: it offers none, or fails to make it.
    """
    offered = getattr(explanation, "graph", None)
    if offered is None:
        raise no_graphs(type(explanation).__qualname__)
    try:
        graph = offered()
    except Exception as error:
        raise BenchmarkError(
            f"the graph of neuron {neuron} cannot be made: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(graph, NeuronGraph):
        raise BenchmarkError(
            f"graph() of neuron {neuron} gave {type(graph).__name__}, not a NeuronGraph."
        )
    return graph


def reopen_with_graphs(run: Run, trust: Collection[str] = ()) -> ReopenedRun:
    """Open a run whose explanations offer graphs.

    Raises:
        BenchmarkError: they offer none, or the explainer cannot be made or is not accepted.
    """
    reopened = ReopenedRun(run, trust)
    if not offers_graphs(reopened.explainer.explanation_class):
        raise no_graphs(run.record.explainer.name)
    return reopened


def offers_graphs(explanation_class: type) -> bool:
    """Return whether explanations of a class can be drawn."""
    return callable(getattr(explanation_class, "graph", None))


def no_graphs(explainer: str) -> BenchmarkError:
    """Return the message for an explainer whose explanations are not graphs."""
    return NoGraphsError(f"explanations of '{explainer}' have no graph.")


class NoGraphsError(BenchmarkError):
    """The explainer offers no graphs; others may."""


def run_graphs(
    reopened: ReopenedRun, only: Collection[tuple[int, int]] | None = None
) -> Iterator[SavedGraph]:
    """Yield every neuron's graph by layer and neuron, one at a time, with a progress bar.

    Args:
        reopened: what `reopen_with_graphs` gave for a run.
        only: (layer, neuron) of some; all by default.

    Raises:
        BenchmarkError: a line of the run is damaged.
    """
    run = reopened.run
    with progress(len(run.scores if only is None else only), "graphs", "neurons") as bar:
        for saved in run.explanations(only):
            bar.update()
            name = saved.name
            explanation = reopened.explanation(saved)
            if explanation is None:
                yield SavedGraph(saved.layer, saved.neuron, error=saved.error)
                continue
            try:
                yield SavedGraph(saved.layer, saved.neuron, graph_of(explanation, name))
            except BenchmarkError as error:
                yield SavedGraph(saved.layer, saved.neuron, error=str(error))
