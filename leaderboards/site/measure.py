"""Measurements of a group's runs for the page of each neuron."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

import metrics
from benchmark.config.run_config import RunConfig
from benchmark.evaluation.experiment import Experiment, cut_blocks
from benchmark.evaluation.reopen import ReopenedRun, check_same
from benchmark.evidence import NEVER_FIRES, Block, Truth
from benchmark.interface import Evidence, Explanation, Failure
from leaderboards.site.groups import Group, Method
from leaderboards.site.neuron_scores import (
    ScoreCell,
    constant_sets,
    score_cells,
    set_intervals,
)
from leaderboards.site.predictions import Predictions, Predictor
from leaderboards.site.reductions import (
    Miss,
    OwnContexts,
    Points,
    Spectrum,
    Windows,
    miss_windows,
    moments,
    scatter_points,
    spectrum,
    uniform_text,
    worst_misses,
)
from leaderboards.site.similar import Neighbour, similar_neurons
from leaderboards.site.texts import ShownText, decided_windows, shown_text
from leaderboards.site.tokens import Effects, FiredToken, effects_of, fired_tokens

MISSES = 5
# Neurons that are worked on at once: what exists of all their tokens stays small.
NEURONS_AT_ONCE = 32

Key = tuple[int, int]


@dataclass(frozen=True)
class Shown:
    """What a neuron's page shows of one method.

    Attributes:
        explanation: the explanation; None for a failure.
        error: why there is none; None where there is one.
        scores: by column, such as `uniform/pearson`.
        undefined: scoring sets on which the prediction is constant.
        spectrum: of the neuron alone, `[1, ...]`.
        points: of the neuron alone, `[1, ...]`, with the ids of their tokens.
        point_tokens: token ids of the points.
        false_positives: predicted to fire, quiet in truth.
        false_negatives: firing in truth, predicted to be quiet.
    """

    explanation: Explanation | None
    error: str | None
    scores: dict[str, ScoreCell]
    undefined: list[str]
    spectrum: Spectrum
    points: Points
    point_tokens: Int[Tensor, " points"]
    false_positives: Miss
    false_negatives: Miss


@dataclass(frozen=True)
class Statistics:
    """What a neuron does on its own, raw units; `held_out` moments are of the `uniform` set.

    `effective_tokens` says how many tokens of that set a correlation rests on, None where the
    truth is constant. `threshold` is None for a neuron that nothing makes fire.
    """

    maximum: float
    maximum_held_out: float
    mean: float
    standard_deviation: float
    skewness: float | None
    excess_kurtosis: float | None
    n_tokens: int
    n_tokens_held_out: int
    effective_tokens: float | None
    n_firing: int
    firing_rate: float
    threshold: float | None
    dead: bool


@dataclass(frozen=True)
class NeuronData:
    """All that the page of a neuron shows but its neighbours.

    Attributes:
        key: its layer and number.
        statistics: what it does on its own.
        exemplars: contexts of the `explain` split.
        top: its strongest held-out contexts.
        fired: the tokens that make it fire.
        effects: on the logits; None where they are not known.
        methods: what is shown of each method, by slug.
        texts: the text of each method that has an explanation.
        decided: of each method whose text has lines, the line that decides each token of `windows`.
    """

    key: Key
    statistics: Statistics
    exemplars: Windows
    top: Windows
    fired: list[FiredToken]
    effects: Effects | None
    methods: dict[str, Shown]
    texts: dict[str, ShownText]
    decided: dict[str, list[Int[Tensor, "k window"]]]

    @property
    def windows(self) -> list[Windows]:
        """Return all that is shown of contexts: exemplars, top, and the misses of each method."""
        return _windows(self.exemplars, self.top, self.methods)


class Measured:
    """The neurons of a group on the subject and the text that their runs scored."""

    def __init__(self, group: Group, config: RunConfig, trust: Collection[str] = ()) -> None:
        self.group = group
        self.experiment: Experiment = ReopenedRun(group.first).open(config)
        for method in group.methods:
            check_same(method.run, self.experiment)
        self.subject = self.experiment.subject
        self.blocks = cut_blocks(self.group.neurons.items(), config.neurons.block_size)
        self.experiment.store.prepare(self.blocks, sample=False)
        self._predictors = [Predictor(method, self.subject, trust) for method in group.shown]

    def neighbours(self) -> dict[Key, list[Neighbour]]:
        """Return the neurons that resemble each neuron most."""
        store = self.experiment.store

        def activations(block: int) -> Float[Tensor, "n tokens"]:
            truth = store.truth(self.blocks[block])
            return truth.uniform_activations[:, uniform_text(truth)]

        keys = [[(b.layer, neuron) for neuron in b.neurons.tolist()] for b in self.blocks]
        return similar_neurons(keys, activations)

    def neurons(self, block: Block) -> Iterator[NeuronData]:
        """Yield what the pages of a block's neurons show, in the order of the block."""
        store = self.experiment.store
        evidence, truth = store.evidence(block, sample=False), store.truth(block)
        for rows in torch.arange(len(block.neurons)).split(NEURONS_AT_ONCE):
            part = Block(block.index, block.layer, block.neurons[rows])
            of_part = replace(
                truth,
                top=truth.top[rows],
                uniform_activations=truth.uniform_activations[rows],
                top_activations=truth.top_activations[rows],
            )
            yield from self._part(part, evidence.select(rows), of_part)

    def _part(self, block: Block, evidence: Evidence, truth: Truth) -> Iterator[NeuronData]:
        """Yield what the pages of a few neurons of a block show."""
        profile = self.experiment.store.profiles([block.layer])[block.layer]
        text = uniform_text(truth)
        threshold = evidence.firing_threshold
        never = threshold == NEVER_FIRES
        own = OwnContexts(evidence, truth)
        shared = truth.tokens[truth.uniform]
        predicted: dict[str, Tensor] = {}
        shown: dict[str, list[Shown | None]] = {}
        for predictor in self._predictors:
            slug = predictor.method.slug
            found = predictor.predict(block, shared, own.tokens)
            keys = [(block.layer, neuron) for neuron in block.neurons.tolist()]
            scores = predictor.method.run.scores
            known = {(row["layer"], row["neuron"]): row for row in scores.rows(keys)}
            rows = [known.get(key, {}) for key in keys]
            predicted[slug] = found.own
            shown[slug] = _shown(predictor.method, found, rows, threshold, truth, own)
        flat = truth.uniform_activations[:, text]
        shape = moments(flat)
        effective = metrics.effective_tokens(flat)
        fires = flat >= threshold[:, None]
        n_firing = fires.sum(1).tolist()
        fired = fired_tokens(flat, fires, shared[text])
        effects = effects_of(self.subject, block)
        dead = self.experiment.store.dead_neurons(block.layer)
        mean_square = profile.mean_square.double()
        for row, neuron in enumerate(block.neurons.tolist()):
            mean = float(profile.mean_activation[neuron])
            statistics = Statistics(
                maximum=float(profile.max_activation[neuron]),
                maximum_held_out=float(flat[row].max()),
                mean=mean,
                standard_deviation=float((mean_square[neuron] - mean**2).clamp_min(0).sqrt()),
                skewness=_or_none(float(shape.skewness[row])),
                excess_kurtosis=_or_none(float(shape.excess_kurtosis[row])),
                n_tokens=profile.n_tokens,
                n_tokens_held_out=flat.shape[1],
                effective_tokens=_or_none(float(effective[row])),
                n_firing=n_firing[row],
                firing_rate=n_firing[row] / flat.shape[1],
                threshold=None if never[row] else float(threshold[row]),
                dead=bool(dead[neuron]),
            )
            exemplars = own.windows(row, own.exemplars, predicted)
            top = own.windows(row, own.top, predicted)
            methods = {slug: of for slug, rows in shown.items() if (of := rows[row]) is not None}
            explained = {
                slug: of.explanation for slug, of in methods.items() if of.explanation is not None
            }
            texts = {slug: shown_text(one) for slug, one in explained.items()}
            yield NeuronData(
                (block.layer, neuron),
                statistics,
                exemplars,
                top,
                fired[row],
                effects[row] if effects is not None else None,
                methods,
                texts,
                decided_windows(explained, texts, _windows(exemplars, top, methods)),
            )


def _shown(
    method: Method,
    predictions: Predictions,
    scores: Sequence[Mapping[str, Any]],
    threshold: Float[Tensor, " n"],
    truth: Truth,
    own: OwnContexts,
) -> list[Shown | None]:
    """Return what a method shows of each neuron; None for one that its run is not about."""
    text = uniform_text(truth)
    shared, tokens = truth.uniform_activations, truth.tokens[truth.uniform]
    points = scatter_points(shared, predictions.shared, text)
    positives, negatives = worst_misses(shared, predictions.shared, text, threshold, MISSES)
    columns = list(method.run.scores.metric_columns)
    cells = score_cells(
        columns, scores, set_intervals(columns, scores, predictions, threshold, truth, own)
    )
    spread = spectrum(shared, predictions.shared, text, threshold)
    missed = [
        miss_windows(method.slug, misses, tokens, shared, predictions.shared)
        for misses in (positives, negatives)
    ]
    return [
        None
        if one is None
        else Shown(
            None if isinstance(one, Failure) else one,
            one.error if isinstance(one, Failure) else None,
            cells[row],
            constant_sets(scores[row]),
            Spectrum(*(part[row : row + 1] for part in vars(spread).values())),
            Points(*(part[row : row + 1] for part in vars(points).values())),
            tokens.flatten()[points.places[row]],
            missed[0][row],
            missed[1][row],
        )
        for row, one in enumerate(predictions.explanations)
    ]


def _windows(exemplars: Windows, top: Windows, methods: Mapping[str, Shown]) -> list[Windows]:
    misses = ((of.false_positives, of.false_negatives) for of in methods.values())
    return [exemplars, top, *(miss.windows for both in misses for miss in both)]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
