"""The spectrum of a neuron: its true activations, split by what an explanation predicts there."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from leaderboards.plots.drawing import COLUMN, figure, finish, plain, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.results import Run

BINS = 40
FIRES, QUIET = "#D55E00", "#0072B2"
COLUMNS = 3


@dataclass(frozen=True)
class Spectrum:
    """One neuron's true and predicted activations on the `uniform` scoring set.

    Attributes:
        label: what the plot calls the explanation.
        true: true activations, raw units, `[n_tokens]`.
        predicted: simulated ones.
        threshold: from which activation on the neuron fires; infinite for one that never does.
    """

    label: str
    true: NDArray[np.float32]
    predicted: NDArray[np.float32]
    threshold: float

    def histogram(self, edges: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return counts of tokens by true activation: predicted quiet, and predicted to fire."""
        fires = self.predicted >= self.threshold
        quiet = np.histogram(self.true[~fires], edges)[0]
        return quiet, np.histogram(self.true[fires], edges)[0]


def spectrum(neuron: str, spectra: Sequence[Spectrum]) -> Figure:
    """Return a panel an explanation: log counts of tokens by true activation, split by prediction.

    What is predicted to fire left of the threshold is a false positive, which the neuron's top
    contexts do not show; what is not, right of it, is a false negative.

    Args:
        neuron: such as `3.400`, for the title.
        spectra: of one neuron, by one explanation each.

    Raises:
        BenchmarkError: there is none.
    """
    if not spectra:
        raise BenchmarkError("there is nothing to plot: no run explains the neuron.")
    across = min(len(spectra), COLUMNS)
    down = -(-len(spectra) // across)
    true = spectra[0].true
    highest = max(0.0, float(true.max())) * 1.02
    if math.isfinite(spectra[0].threshold):
        highest = max(highest, spectra[0].threshold * 1.02)
    edges = np.linspace(min(0.0, float(true.min())), highest, BINS + 1)
    with style():
        drawn, axes = figure(
            COLUMN if across == 1 else 2.3 * across,
            0.75 + 1.75 * down,
            nrows=down,
            ncols=across,
            sharex=True,
            sharey=True,
            squeeze=False,
        )
        for place, axis in enumerate(axes.flat):
            if place < len(spectra):
                _panel(axis, spectra[place], edges)
            else:
                axis.set_visible(False)
        for row in axes:
            row[0].set_ylabel("tokens")
        for axis in axes.flat[: len(spectra)][-across:]:  # those with nothing below them
            axis.set_xlabel("true activation")
            axis.tick_params(labelbottom=True)
        finish(drawn, axes[0][0], f"neuron {neuron}, uniform text")
    return drawn


def _panel(axis: Any, found: Spectrum, edges: NDArray[np.float64]) -> None:
    quiet, fires = found.histogram(edges)
    axis.stairs(quiet, edges, fill=True, color=QUIET, alpha=0.28, baseline=0.5)
    axis.stairs(quiet, edges, color=QUIET, linewidth=0.9, label="predicted quiet", baseline=0.5)
    axis.stairs(fires, edges, fill=True, color=FIRES, alpha=0.4, baseline=0.5)
    axis.stairs(fires, edges, color=FIRES, linewidth=1.1, label="predicted to fire", baseline=0.5)
    if math.isfinite(found.threshold):
        axis.axvline(
            found.threshold,
            color="#444444",
            linewidth=0.8,
            linestyle="--",
            label="firing threshold",
        )
    axis.set_yscale("log")
    axis.set_ylim(bottom=0.5)
    axis.grid(False, axis="x")
    false = int(((found.predicted >= found.threshold) & (found.true < found.threshold)).sum())
    missed = int(((found.predicted < found.threshold) & (found.true >= found.threshold)).sum())
    axis.set_title(plain(found.label))
    axis.annotate(
        f"false positives {false:,}\nfalse negatives {missed:,}",
        (0.97, 0.95),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )


def measure(
    runs: Sequence[tuple[str, Run]], layer: int, neuron: int, trust: Collection[str] = ()
) -> list[Spectrum]:
    """Return truth and simulations of one neuron on the `uniform` set, by runs of one experiment.

    Args:
        runs: labels and runs that can be compared with each other.
        layer: the neuron's layer.
        neuron: its number there.
        trust: classes that may be imported besides built-in explainers and installed plug-ins.

    Raises:
        BenchmarkError: a run has no such neuron, or its subject or corpus is not available.
    """
    from benchmark.evaluation.reopen import ReopenedRun, blocks_of, config_of
    from benchmark.evaluation.simulate import simulate
    from benchmark.evaluation.simulators import scoring_sets_of
    from benchmark.evidence import NEVER_FIRES
    from benchmark.results.columns import drawn_set

    spectra = []
    for label, run in runs:
        saved = run.explanation(layer, neuron)
        reopened, config = ReopenedRun(run, trust), config_of(run)
        explainer = reopened.explainer
        experiment = reopened.open(config)
        # The block that the run measured, whose truth the cache still has.
        block = next(
            block
            for block in blocks_of(run, experiment)
            if block.layer == layer and neuron in block.neurons.tolist()
        )
        row = block.neurons.tolist().index(neuron)
        experiment.store.prepare_truth([block])
        truth = experiment.store.truth(block)
        threshold = float(experiment.store.firing_thresholds(block)[row])
        explanation = reopened.restored(saved, experiment.subject)
        drawn = drawn_set(scoring_sets_of(explainer) is not None)
        tokens, text = truth.tokens[truth.rows(drawn)[0]], truth.scored(drawn)[0]
        simulated = simulate(explainer, [explanation], tokens, text)
        predicted = simulated.predictions[0]
        if simulated.predicted is not None:
            text = text & simulated.predicted[0]
        spectra.append(
            Spectrum(
                label=label,
                true=truth.activations(drawn)[row][text].float().numpy(),
                predicted=predicted[text].numpy(),
                threshold=math.inf if threshold == NEVER_FIRES else threshold,
            )
        )
    return spectra
