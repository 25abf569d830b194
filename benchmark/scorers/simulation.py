"""Simulation scorer: how well predictions agree with the true activations on held-out text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

import metrics
from benchmark.column import Column
from benchmark.config.run_config import RunConfig
from benchmark.interface import HeldOut, ScoredBlock
from benchmark.results.columns import (
    DRAWN_SETS,
    EFFECTIVE_TOKENS,
    PEARSON_HIGH,
    PEARSON_LOW,
    POSITIVES,
    SCORING_SETS,
    SHARED_SETS,
    UNDEFINED,
    UNIFORM,
    describe,
    reference_set,
    score_column,
)
from benchmark.results.resampled import RESAMPLED
from benchmark.scorers.reliability import correlation_support, count_positives
from benchmark.scorers.replicates import replicate_entries

Scores = dict[str, Float[Tensor, " n"]]

# What is computed under the firing reference that a run has not chosen.
FIRING_METRICS = ("auprc", "f1", "precision", "recall", "iou")


class SimulationScorer:
    """Every metric of the run on every scoring set, and what a neuron's scores rest on."""

    def __init__(self, config: RunConfig) -> None:
        self._names = list(config.metrics.metrics)
        self._other_reference = config.other_reference
        self._both_references = config.metrics.both_references
        self._document_resamples = config.bootstrap.document_resamples
        self._seed, self._level = config.seed, config.bootstrap.confidence

    def columns(self) -> list[Column]:
        """Return the metrics, and the columns about the scoring sets and about correlations."""
        found = [
            score_column(one, name) for one in SCORING_SETS for name in (*self._names, UNDEFINED)
        ]
        if self._other_reference is not None:
            other = reference_set(UNIFORM, self._other_reference)
            found += [score_column(other, name) for name in _firing(self._names)]
        found += [score_column(one, POSITIVES) for one in SCORING_SETS]
        support = (EFFECTIVE_TOKENS, PEARSON_LOW, PEARSON_HIGH)
        found += [score_column(one, name) for one in DRAWN_SETS for name in support]
        return [describe(name) for name in found]

    def identity(self) -> dict[str, Any]:
        """Return the names of the metrics; the bootstrap belongs to every run."""
        both = {"both_references": True} if self._both_references else {}
        return {"metrics": sorted(self._names), **both}

    def score(self, block: ScoredBlock) -> dict[str, Any]:
        """Score the predictions of a block, also on resamples of the documents."""
        truth, predictions, threshold = block.truth, block.predictions, block.firing_threshold
        scores: dict[str, Any] = dict(score_block(truth, predictions, threshold, self._names))
        resampled = replicate_entries(
            truth, predictions, threshold, self._names, self._document_resamples
        )
        if self._other_reference is not None:
            others = block.thresholds(self._other_reference)
            scores |= score_firing(truth, predictions, others, self._names, self._other_reference)
        scores |= count_positives(truth, threshold)
        scores |= correlation_support(truth, predictions, seed=self._seed, level=self._level)
        return scores | ({RESAMPLED: resampled} if resampled else {})


def score_block(
    truth: HeldOut,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
    names: Sequence[str],
    *,
    called: Callable[[str], str] = str,
    sets: Sequence[str] = SCORING_SETS,
) -> Scores:
    """Score a block by every metric on every scoring set, and tell where a score is undefined.

    On a set without a token every metric is null (NaN) and nothing is undefined; so it is for a
    neuron of whose tokens there nothing is predicted.

    Args:
        truth: the block's true activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        threshold: the firing threshold of each neuron, raw units.
        names: names of metrics.
        called: what columns call a set, to tell scores of another kind of prediction.
        sets: the scoring sets.
    """
    scores: Scores = {}
    n = len(prediction)
    neuron = torch.arange(n)[:, None]
    for scoring_set in sets:
        group, text = called(scoring_set), truth.scored(scoring_set)
        true = truth.activations(scoring_set)
        # Tokens that a simulator chose for each neuron are no longer shared.
        shared = scoring_set in SHARED_SETS and len(text) == 1
        predicted = (
            prediction[:, truth.rows(scoring_set)[0]]
            if shared
            else prediction[neuron, truth.rows(scoring_set)]
        )
        if not text.any():
            scores |= {score_column(group, name): torch.full((n,), torch.nan) for name in names}
            scores[score_column(group, UNDEFINED)] = torch.zeros(n, dtype=torch.bool)
            continue
        empty: list[int] = []
        for members in _equal_lengths(text, n):
            size = len(members)
            if not shared and not text[members].any():
                empty += members.tolist()
                continue
            if shared:
                flat_true, flat_predicted = true[:, text[0]], predicted[:, text[0]]
            else:
                mask = text[members]
                flat_true = true[members][mask].reshape(size, -1)
                flat_predicted = predicted[members][mask].reshape(size, -1)
            found = dict(metrics.compute(names, flat_true, flat_predicted, threshold[members]))
            found[UNDEFINED] = metrics.undefined(flat_true, flat_predicted)
            for name, values in found.items():
                column = scores.setdefault(
                    score_column(group, name), torch.empty(n, dtype=values.dtype)
                )
                column[members] = values
        for name in (*names, UNDEFINED) if empty else ():
            column = scores[score_column(group, name)]
            column[empty] = False if name == UNDEFINED else torch.nan
    return scores


def score_firing(
    truth: HeldOut,
    prediction: Float[Tensor, "n u ctx"],
    threshold: Float[Tensor, " n"],
    names: Sequence[str],
    reference: str,
) -> Scores:
    """Score firing under a further reference on the `uniform` set: `uniform_<reference>/<metric>`.

    Args:
        truth: the block's true activations.
        prediction: simulated activations on `truth.tokens`, raw units.
        threshold: the thresholds under that reference.
        names: the run's metrics; only those of `FIRING_METRICS` among them are computed.
        reference: its name.
    """
    chosen = _firing(names)
    if not chosen:
        return {}
    group = reference_set(UNIFORM, reference)
    scores = score_block(
        truth, prediction, threshold, chosen, called=lambda _: group, sets=(UNIFORM,)
    )
    del scores[score_column(group, UNDEFINED)]
    return scores


def _firing(names: Sequence[str]) -> list[str]:
    return [name for name in names if name in FIRING_METRICS]


def _equal_lengths(text: Bool[Tensor, "#n c ctx"], n: int) -> list[Tensor]:
    """Return neurons grouped by their number of scored tokens: each group is a rectangle."""
    if len(text) == 1:
        return [torch.arange(n)]
    counts = text.flatten(1).sum(1)
    return [torch.nonzero(counts == count)[:, 0] for count in counts.unique()]
