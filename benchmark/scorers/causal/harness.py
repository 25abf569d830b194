"""Causal scores as parts of a run: nothing unless its metrics ask for them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.evaluation.explain import restore
from benchmark.evaluation.simulate import simulate
from benchmark.evidence import Block, Truth
from benchmark.interface import Explainer
from benchmark.results import RunWriter, SavedExplanation, TogetherRecord
from benchmark.scorers.causal.alone import score_alone
from benchmark.scorers.causal.columns import MEAN, UNIFORM, effect_column
from benchmark.scorers.causal.contexts import spread
from benchmark.scorers.causal.together import score_together
from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from benchmark.evaluation.experiment import Experiment


def replace_alone(
    experiment: Experiment,
    block: Block,
    truth: Truth,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
) -> dict[str, Float[Tensor, " n"]]:
    """Causal scores and effects of a block's neurons, each replaced alone; see `score_alone`."""
    config = experiment.config.metrics.causal
    if config is None:
        return {}
    if truth.predicted is not None:
        raise _partly_predicted()
    profile = experiment.store.profiles([block.layer])[block.layer]
    return score_alone(
        experiment.subject,
        block,
        truth,
        prediction,
        mean=profile.mean_activation[block.neurons],
        maximum=profile.max_activation[block.neurons],
        threshold=threshold,
        n_contexts=config.contexts,
    )


def replace_together(
    experiment: Experiment, explainer: Explainer, writer: RunWriter
) -> list[TogetherRecord]:
    """What replacing a layer's neurons all at once does, for each layer of a run.

    The neurons whose mean-ablation changes the output most are replaced. Which these are depends
    on the subject and the text alone, so all explainers replace the same ones.
    """
    config = experiment.config.metrics.causal
    if config is None or not config.together:
        return []
    column = effect_column(UNIFORM, MEAN)
    effects = {(row["layer"], row["neuron"]): row[column] for row in writer.scores().rows()}
    store = experiment.store
    tokens = store.held_out.tokens[spread(store.uniform_rows, config.contexts)]
    records: list[TogetherRecord] = []
    n_layers = len({layer for layer, _ in effects})
    with progress(n_layers, "causal: replace neurons together", "layers") as bar:
        for layer, lines in groupby(writer.explanations(), key=lambda line: line.layer):

            def weight(line: SavedExplanation) -> tuple[float, int]:
                return -(effects[line.layer, line.neuron] or 0.0), line.neuron

            saved = sorted(lines, key=weight)[: max(config.together)]
            explanations = [restore(line, explainer, experiment.subject) for line in saved]
            neurons = torch.tensor([line.neuron for line in saved])
            profile = store.profiles([layer])[layer]
            simulated = simulate(explainer, explanations, tokens)
            if simulated.predicted is not None:
                raise _partly_predicted()
            records += score_together(
                experiment.subject,
                layer,
                neurons,
                tokens,
                simulated.predictions,
                mean=profile.mean_activation[neurons],
                maximum=profile.max_activation[neurons],
                sizes=config.together,
            )
            bar.update(1)
    return records


def _partly_predicted() -> BenchmarkError:
    return BenchmarkError(
        "causal scores replace a neuron on every token of a context, and this simulator predicts "
        "only a part of them; choose metrics without causal scores, such as metrics=standard."
    )
