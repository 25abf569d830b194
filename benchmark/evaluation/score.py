"""Scores of a block: its explanations simulated on held-out text, every scorer asked, rows made."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.errors import is_out_of_memory
from benchmark.evaluation.experiment import Experiment
from benchmark.evaluation.explain import name_of, restore, saved_form
from benchmark.evaluation.simulate import Simulation, simulate
from benchmark.evaluation.simulators import explaining, scoring_sets_of
from benchmark.evidence import Block, Truth
from benchmark.interface import Explainer, Explanation, Failure, ScoredBlock, has_complete_text
from benchmark.plugins.isolation import contained, isolated
from benchmark.results import FAILED, OK, RunWriter, explanation_bytes, explanation_line
from benchmark.results.columns import CHARACTERS, LINES, cost_column
from benchmark.scorers.added import AddedScorer
from benchmark.scorers.finishing import FinishesRun, ScoredRun

SIZE = cost_column("bytes")


def score_explanations(
    experiment: Experiment,
    explainer: Explainer,
    block: Block,
    explanations: Sequence[Explanation | Failure],
    costs: dict[str, float] | Sequence[dict[str, float]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Simulate and score the explanations of a block; a failed neuron scores as the zero one.

    Args:
        experiment: the run's subject, text and scorers.
        explainer: what made the explanations.
        block: the neurons.
        explanations: one per neuron, or its failure.
        costs: columns of costs that all neurons share, or those of each neuron.

    Returns:
        The rows of scores and the lines of explanations, as `RunWriter.write_block` takes them.

    Raises:
        BenchmarkError: a scorer breaks, or the surroundings are at fault.
    """
    truth = experiment.store.truth(block)
    # Before anything is simulated, so that no explanation is found late to be none.
    saved = [saved_form(one) for one in explanations]
    began = time.perf_counter()
    answers, part = [answer for answer, _ in saved], None
    if (sets := scoring_sets_of(explainer)) is not None:
        truth = replace(truth, sets=sets)
        part = truth.wanted()
    simulated = simulate(explainer, answers, truth.tokens, part)
    if simulated.predicted is not None:
        truth = replace(truth, predicted=simulated.predicted)
    simulate_seconds = (time.perf_counter() - began) / len(block.neurons)
    columns = _scores(experiment, scored_block(experiment, explainer, block, truth, simulated))
    columns |= simulated.costs | _text_lengths(explainer, simulated.explanations)
    rows, lines = [], []
    for i, (neuron, explanation, (_, data)) in enumerate(
        zip(block.neurons.tolist(), simulated.explanations, saved, strict=True)
    ):
        row: dict[str, Any] = {"layer": block.layer, "neuron": neuron}
        if isinstance(explanation, Failure):
            row |= {"status": FAILED, "error": explanation.error, SIZE: 0}
            lines.append(explanation_line(block.layer, neuron, error=explanation.error))
        else:
            row |= {"status": OK, "error": None, SIZE: explanation_bytes(data or {})}
            lines.append(explanation_line(block.layer, neuron, data))
        row |= {column: values[i] for column, values in columns.items()}
        row |= costs if isinstance(costs, dict) else costs[i]
        row[cost_column("simulate_seconds")] = simulate_seconds
        rows.append(row)
    return rows, lines


def _text_lengths(
    explainer: Explainer, explanations: Sequence[Explanation | Failure]
) -> dict[str, list[int | None]]:
    """Return the characters and lines of each text that is the whole explanation, else None."""
    with isolated(name_of(explaining(explainer)), "while it describes"):
        texts = [_complete_text(one) for one in explanations]
    return {
        cost_column(CHARACTERS): [None if text is None else len(text) for text in texts],
        cost_column(LINES): [None if text is None else len(text.splitlines()) for text in texts],
    }


def _complete_text(explanation: Explanation | Failure) -> str | None:
    """Return the text of an explanation; None if it is incomplete or cannot be described."""
    if isinstance(explanation, Failure):
        return None
    try:
        with contained():
            text = explanation.describe() if has_complete_text(explanation) else None
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return None
    return text if isinstance(text, str) else None


def scored_block(
    experiment: Experiment,
    explainer: Explainer,
    block: Block,
    truth: Truth,
    simulated: Simulation,
) -> ScoredBlock:
    """Return what scorers see of a block whose explanations were simulated."""
    store = experiment.store
    profile = store.profiles([block.layer])[block.layer]
    return ScoredBlock(
        layer=block.layer,
        neurons=block.neurons,
        truth=truth,
        predictions=simulated.predictions,
        explanations=simulated.explanations,
        firing_threshold=store.firing_thresholds(block),
        mean_activation=profile.mean_activation[block.neurons],
        max_activation=profile.max_activation[block.neurons],
        subject=experiment.subject,
        simulate=lambda tokens: simulate(
            explainer, simulated.explanations, tokens, store.small_part(tokens)
        ),
        thresholds=lambda reference: store.firing_thresholds(block, reference),
        calibration=lambda: store.calibration_truth(block),
    )


def finished_scores(
    experiment: Experiment, explainer: Explainer, writer: RunWriter
) -> dict[str, Any]:
    """Return the fields of the record that scorers measure of the whole run."""
    subject = experiment.subject
    run = ScoredRun(
        subject=subject,
        store=experiment.store,
        scores=writer.scores,
        explanations=writer.explanations,
        simulate=lambda saved, tokens: (
            (
                simulate(explainer, [restore(one, explainer, subject) for one in saved], tokens)
            ).predictions
        ),
    )
    found: dict[str, Any] = {}
    for scorer in experiment.scorers:
        if isinstance(scorer, FinishesRun):
            found |= scorer.finish(run)
    return found


def _scores(experiment: Experiment, block: ScoredBlock) -> dict[str, list[Any]]:
    """Return the values of every column of every scorer, one per neuron."""
    # A class of somebody's own is handed what explainers are handed of the subject.
    shown = replace(block, subject=experiment.handed_subject)
    columns: dict[str, list[Any]] = {}
    for scorer in experiment.scorers:
        added = isinstance(scorer, AddedScorer)
        scores: Mapping[str, Any] = scorer.score(shown if added else block)
        columns |= {
            column: values.tolist() if hasattr(values, "tolist") else list(values)
            for column, values in scores.items()
        }
    return columns
