"""Causal scorer: what simulations keep of what their neurons do to the subject's output."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from benchmark.column import Column
from benchmark.config.run_config import CausalConfig
from benchmark.errors import BenchmarkError
from benchmark.interface import ScoredBlock
from benchmark.results import SavedExplanation, TogetherRecord
from benchmark.results.columns import (
    ABLATIONS,
    CAUSAL_CONTEXTS,
    MEAN_ABLATION,
    UNIFORM,
    causal_columns,
    describe,
    effect_column,
)
from benchmark.scorers.causal.alone import score_alone
from benchmark.scorers.causal.contexts import spread
from benchmark.scorers.causal.together import score_together
from benchmark.scorers.finishing import ScoredRun
from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from benchmark.subject import Subject


class CausalScorer:
    """Each neuron replaced alone by its simulation, and neurons of a layer replaced together."""

    def __init__(self, config: CausalConfig) -> None:
        self._config = config

    def columns(self) -> list[Column]:
        """Return the causal scores and what the ablations change."""
        pairs = [(contexts, ablation) for contexts in CAUSAL_CONTEXTS for ablation in ABLATIONS]
        names = [*causal_columns(), *(effect_column(*pair) for pair in pairs)]
        return [describe(name) for name in names]

    def identity(self) -> dict[str, Any]:
        """Return how neurons are replaced."""
        return {"causal": dataclasses.asdict(self._config)}

    def check(self, subject: Subject) -> None:
        """Check that neurons of a subject can be replaced.

        Raises:
            BenchmarkError: the subject has no output distribution.
        """
        from benchmark.subject.intervene import check_continuations

        check_continuations(subject)

    def score(self, block: ScoredBlock) -> Mapping[str, Any]:
        """Score a block's neurons, each replaced alone; see `score_alone`.

        Raises:
            BenchmarkError: a simulator predicted only a part of the tokens.
        """
        if block.truth.predicted is not None:
            raise BenchmarkError(
                "causal scores replace a neuron on every token of a context, and this simulator "
                "predicts only a part of them; choose metrics without causal scores, such as "
                "metrics=standard."
            )
        return score_alone(
            cast("Subject", block.subject),
            block,
            block.truth,
            block.predictions,
            mean=block.mean_activation,
            maximum=block.max_activation,
            threshold=block.firing_threshold,
            n_contexts=self._config.contexts,
        )

    def finish(self, run: ScoredRun) -> dict[str, Any]:
        """Return what replacing a layer's neurons all at once does, for each layer of a run.

        The neurons whose mean-ablation changes the output most are replaced. Which these are
        depends on the subject and the text alone, so all explainers replace the same ones.
        """
        records: list[TogetherRecord] = []
        sizes = self._config.together
        if not sizes:
            return {"together": records}
        column = effect_column(UNIFORM, MEAN_ABLATION)
        scores = run.scores()
        strengths = np.nan_to_num(scores.column(column)).tolist()
        effects = dict(zip(scores.neurons(), strengths, strict=True))
        store = run.store
        tokens = store.held_out.tokens[spread(store.uniform_rows, self._config.contexts)]
        n_layers = len({layer for layer, _ in effects})
        with progress(n_layers, "causal: replace neurons together", "layers") as bar:
            for layer, lines in groupby(run.explanations(), key=lambda line: line.layer):

                def weight(line: SavedExplanation) -> tuple[float, int]:
                    return -effects[line.layer, line.neuron], line.neuron

                saved = heapq.nsmallest(max(sizes), lines, key=weight)
                neurons = torch.tensor([line.neuron for line in saved])
                profile = store.profiles([layer])[layer]
                records += score_together(
                    run.subject,
                    layer,
                    neurons,
                    tokens,
                    run.simulate(saved, tokens),
                    mean=profile.mean_activation[neurons],
                    maximum=profile.max_activation[neurons],
                    sizes=sizes,
                )
                bar.update(1)
        return {"together": records}
