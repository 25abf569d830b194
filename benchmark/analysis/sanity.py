"""The sanity tests of the metrics over the neurons of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

import metrics
from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun, blocks_of
from benchmark.evidence import Truth
from benchmark.importing.sequences import firing_threshold, recorded_truth
from benchmark.results import Run
from benchmark.results.columns import TOP_AND_RANDOM, UNIFORM, score_column
from benchmark.terminal.progress import progress

# Neurons corrupted together: three predictions of them in double precision exist at once.
NEURONS_AT_ONCE = 32

ON_TOP_AND_RANDOM = "pearson"


@dataclass(frozen=True)
class Verdict:
    """The outcome of both sanity tests for one metric on one scoring set.

    Attributes:
        column: such as `uniform/pearson`.
        result: the shares of neurons on which it drops.
        expected: whether it should pass, as the catalogue has it; None where it has no opinion.
    """

    column: str
    result: metrics.SanityResult
    expected: bool | None


def check_metrics(
    run: Run, config: RunConfig, names: Sequence[str], *, seed: int = 0
) -> list[Verdict]:
    """Spoil a perfect explanation of every neuron of a run and see which metrics notice.

    All metrics are tested on the `uniform` set, and Pearson on `top_and_random` too.

    Args:
        run: a finished run; only its neurons and its text are used, not its explanations.
        config: its configuration.
        names: the metrics.
        seed: seed of the labels that go missing and of those that are added.

    Raises:
        BenchmarkError: subject or corpus are not those of the run.
    """
    experiment = ReopenedRun(run).open(config)
    blocks = blocks_of(run, experiment)
    experiment.store.prepare(blocks, sample=False)
    on_uniform: list[metrics.SanityScores] = []
    on_top: list[metrics.SanityScores] = []
    with progress(sum(len(block.neurons) for block in blocks), "sanity", "neurons") as bar:
        for block in blocks:
            truth = experiment.store.truth(block)
            threshold = experiment.store.firing_thresholds(block)
            for rows in torch.arange(len(block.neurons)).split(NEURONS_AT_ONCE):
                seeds = [(seed, block.layer, int(block.neurons[row])) for row in rows]
                limits = threshold[rows]
                text = truth.tokens[truth.uniform] != truth.bos
                uniform = truth.uniform_activations[rows][:, text]
                on_uniform.append(metrics.sanity_scores(names, uniform, limits, seeds=seeds))
                rate = (uniform >= limits[:, None]).double().mean(dim=1)
                on_top += _on_top_and_random(truth, rows.tolist(), limits, seeds, rate)
                bar.update(len(rows))
    verdicts = [
        Verdict(
            score_column(UNIFORM, name),
            metrics.sanity_result(name, on_uniform),
            metrics.get(name).sound,
        )
        for name in names
    ]
    pooled = metrics.sanity_result(ON_TOP_AND_RANDOM, on_top)
    return [*verdicts, Verdict(f"{TOP_AND_RANDOM}/{ON_TOP_AND_RANDOM}", pooled, None)]


def check_recorded(run: Run, names: Sequence[str], *, seed: int = 0) -> list[Verdict]:
    """Do the same on the true activations that an imported run has recorded; no model is run.

    The recorded tokens count as the whole text, in which labels go missing and are added.

    Raises:
        BenchmarkError: nothing is recorded, or the explanations are not there or damaged.
    """
    parts: list[metrics.SanityScores] = []
    with progress(len(run.scores), "sanity", "neurons") as bar:
        for saved in run.explanations():
            try:
                truth = recorded_truth(saved)
            except ValueError as error:
                raise BenchmarkError(f"'{run.folder}' is damaged: {error}.") from error
            if truth is not None:
                seeds = [(seed, saved.layer, saved.neuron)]
                limits = firing_threshold(truth)
                parts.append(metrics.sanity_scores(names, truth, limits, seeds=seeds))
            bar.update()
    if not parts:
        raise BenchmarkError(
            f"the run in '{run.folder}' was imported without true activations, which the sanity "
            "tests are made on."
        )
    group = next((one for one in run.scores.scoring_sets), TOP_AND_RANDOM)
    return [
        Verdict(score_column(group, name), metrics.sanity_result(name, parts), None)
        for name in names
    ]


def _on_top_and_random(
    truth: Truth,
    rows: Sequence[int],
    threshold: torch.Tensor,
    seeds: Sequence[Sequence[int]],
    rate: torch.Tensor,
) -> list[metrics.SanityScores]:
    """Score neuron by neuron, because the contexts of each are its own and differ in length."""
    contexts = truth.rows(TOP_AND_RANDOM)
    activations = truth.activations(TOP_AND_RANDOM)
    found = []
    for place, row in enumerate(rows):
        text = truth.tokens[contexts[row]] != truth.bos
        found.append(
            metrics.sanity_scores(
                [ON_TOP_AND_RANDOM],
                activations[row][text][None],
                threshold[place : place + 1],
                seeds=seeds[place : place + 1],
                firing_rate=rate[place : place + 1],
            )
        )
    return found
