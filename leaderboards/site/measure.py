"""From the runs of a group to what the page of each neuron shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmark.config import RunConfig
from benchmark.evidence import TOP, TOP_AND_RANDOM, UNIFORM, Block, Truth, dead_neurons
from benchmark.experiment import Experiment, open_experiment
from benchmark.interface import Evidence, Explanation, Failure
from benchmark.rescoring import check_same
from benchmark.results.scores import UNDEFINED
from leaderboards.site.effects import Effects, effects_of
from leaderboards.site.groups import Group, Method
from leaderboards.site.intervals import RESAMPLES, Scored, draw_weights, score_intervals
from leaderboards.site.predicting import Predictions, Predictor
from leaderboards.site.reductions import (
    Misses,
    Points,
    Spectrum,
    moments,
    scatter_points,
    spectrum,
    take_windows,
    window_starts,
    worst_misses,
)
from leaderboards.site.similar import Neighbour, similar_neurons
from leaderboards.site.tokens import FiredToken, fired_tokens
from metrics import METRICS

MISSES = 5
# Neurons whose intervals are computed at once: what is held beside them stays small.
ROWS_AT_ONCE = 16

Key = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Parts of contexts around an anchor.

    Attributes:
        tokens: token ids, `[k, window]`.
        truth: true activations, raw units, `[k, window]`.
        starts: where each begins in its context.
        peaks: the true activation of each anchor.
        predicted: per method's slug its prediction, `[k, window]`.
    """

    tokens: Int[Tensor, "k window"]
    truth: Float[Tensor, "k window"]
    starts: list[int]
    peaks: list[float]
    predicted: dict[str, Float[Tensor, "k window"]]


@dataclass(frozen=True)
class Miss:
    """The worst misses of one kind: how many tokens in all, and windows of some.

    `predicted` is the prediction on the missed token of each window, raw units.
    """

    count: int
    windows: Windows
    predicted: list[float]


@dataclass(frozen=True)
class ScoreCell:
    """A neuron's score, null being None, with the interval over its contexts where it has one."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Shown:
    """What a neuron's page shows of one method.

    Attributes:
        explanation: the explanation; None for a failure or a neuron that was not asked about.
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
    """What a neuron does on its own, raw units; `held_out` moments are of the `uniform` set."""

    maximum: float
    maximum_held_out: float
    mean: float
    standard_deviation: float
    skewness: float | None
    excess_kurtosis: float | None
    n_tokens: int
    n_tokens_held_out: int
    n_firing: int
    firing_rate: float
    threshold: float
    dead: bool


@dataclass(frozen=True)
class NeuronData:
    """All that the page of a neuron shows but its neighbours."""

    key: Key
    statistics: Statistics
    exemplars: Windows
    top: Windows
    fired: list[FiredToken]
    effects: Effects | None
    methods: dict[str, Shown]


class Measured:
    """The neurons of a group on the subject and the text that their runs scored."""

    def __init__(self, group: Group, config: RunConfig) -> None:
        self.group = group
        self.experiment: Experiment = open_experiment(config)
        for method in group.methods:
            check_same(method.run, self.experiment)
        self.subject = self.experiment.subject
        self.blocks = self._blocks(config.neurons.block_size)
        self.experiment.store.prepare(self.blocks)
        self._predictors = [Predictor(method, self.subject) for method in group.shown]
        self._rows = {
            method.slug: {(row["layer"], row["neuron"]): row for row in method.run.scores.rows()}
            for method in group.shown
        }

    def _blocks(self, size: int) -> list[Block]:
        blocks: list[Block] = []
        for layer, neurons in self.group.neurons.items():
            for part in torch.tensor(neurons).split(size):
                blocks.append(Block(len(blocks), layer, part))
        return blocks

    def neighbours(self) -> dict[Key, list[Neighbour]]:
        """The neurons that resemble each neuron most."""
        store = self.experiment.store

        def activations(block: int) -> Float[Tensor, "n tokens"]:
            truth = store.truth(self.blocks[block])
            return truth.uniform_activations[:, _text(truth)]

        keys = [[(b.layer, neuron) for neuron in b.neurons.tolist()] for b in self.blocks]
        return similar_neurons(keys, activations)

    def neurons(self, block: Block) -> Iterator[NeuronData]:
        """What the pages of a block's neurons show, in the order of the block."""
        store = self.experiment.store
        evidence, truth = store.evidence(block), store.truth(block)
        profile = store.profiles([block.layer])[block.layer]
        text = _text(truth)
        own = _OwnContexts(evidence, truth)
        shared = truth.tokens[truth.uniform]
        found = {
            predictor.method.slug: _of_method(
                predictor.method,
                predictor.predict(block, shared, own.tokens),
                self._rows[predictor.method.slug],
                block,
                evidence.firing_threshold,
                truth,
                own,
            )
            for predictor in self._predictors
        }
        flat = truth.uniform_activations[:, text]
        shape = moments(flat)
        fires = (flat >= evidence.firing_threshold[:, None]) & (evidence.max_activation > 0)[
            :, None
        ]
        n_firing = fires.sum(1).tolist()
        fired = fired_tokens(flat, fires, shared[text])
        effects = effects_of(self.subject, block)
        dead = dead_neurons(profile)
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
                n_firing=n_firing[row],
                firing_rate=n_firing[row] / flat.shape[1],
                threshold=float(evidence.firing_threshold[row]),
                dead=bool(dead[neuron]),
            )
            yield NeuronData(
                (block.layer, neuron),
                statistics,
                own.windows(row, own.exemplars, {s: f.own for s, f in found.items()}),
                own.windows(row, own.top, {s: f.own for s, f in found.items()}),
                fired[row],
                effects[row] if effects is not None else None,
                {slug: of.shown(row) for slug, of in found.items() if of.asked(row)},
            )


class _OwnContexts:
    """The contexts that a neuron has for itself: its exemplars, then its held-out top contexts."""

    def __init__(self, evidence: Evidence, truth: Truth) -> None:
        top_tokens = truth.tokens[truth.top]
        self.tokens = torch.cat([evidence.exemplars.tokens, top_tokens], dim=1)
        self.truth = torch.cat([evidence.exemplars.activations, truth.top_activations], dim=1)
        quiet = top_tokens == truth.bos
        anchors = truth.top_activations.masked_fill(quiet, -torch.inf).argmax(-1)
        self.anchors = torch.cat([evidence.exemplars.anchors, anchors], dim=1)
        self.starts = window_starts(self.anchors, self.tokens.shape[-1])
        n_exemplars = evidence.exemplars.tokens.shape[1]
        self.exemplars = slice(0, n_exemplars)
        self.top = slice(n_exemplars, self.tokens.shape[1])

    def windows(self, row: int, which: slice, predicted: dict[str, Tensor]) -> Windows:
        starts = self.starts[row, which]
        peaks = self.truth[row, which].gather(1, self.anchors[row, which][:, None])[:, 0]
        return Windows(
            take_windows(self.tokens[row, which], starts),
            take_windows(self.truth[row, which], starts),
            starts.tolist(),
            peaks.tolist(),
            {slug: take_windows(own[row, which], starts) for slug, own in predicted.items()},
        )


@dataclass(frozen=True)
class _OfMethod:
    """What a method shows on the neurons of a block."""

    slug: str
    explanations: Sequence[Explanation | Failure | None]
    own: Float[Tensor, "n k ctx"]
    scores: list[dict[str, ScoreCell]]
    undefined: list[list[str]]
    spectrum: Spectrum
    points: Points
    point_tokens: Int[Tensor, "n points"]
    positives: list[Miss]
    negatives: list[Miss]

    def asked(self, row: int) -> bool:
        return self.explanations[row] is not None

    def shown(self, row: int) -> Shown:
        one = self.explanations[row]
        spread, points = self.spectrum, self.points
        only = slice(row, row + 1)
        return Shown(
            None if isinstance(one, Failure) else one,
            one.error if isinstance(one, Failure) else None,
            self.scores[row],
            self.undefined[row],
            Spectrum(spread.low[only], spread.high[only], spread.counts[only]),
            Points(points.places[only], points.truth[only], points.prediction[only]),
            self.point_tokens[row],
            self.positives[row],
            self.negatives[row],
        )


def _of_method(
    method: Method,
    predictions: Predictions,
    rows: dict[Key, dict[str, float]],
    block: Block,
    threshold: Float[Tensor, " n"],
    truth: Truth,
    own: _OwnContexts,
) -> _OfMethod:
    text = _text(truth)
    shared, tokens = truth.uniform_activations, truth.tokens[truth.uniform]
    points = scatter_points(shared, predictions.shared, text)
    positives, negatives = worst_misses(shared, predictions.shared, text, threshold, MISSES)
    columns = list(method.run.scores.metric_columns)
    intervals = _intervals(columns, predictions, threshold, truth, own)
    keys = [(block.layer, neuron) for neuron in block.neurons.tolist()]
    return _OfMethod(
        method.slug,
        predictions.explanations,
        predictions.own,
        [_cells(columns, rows.get(key, {}), intervals, row) for row, key in enumerate(keys)],
        [_constant(rows.get(key, {})) for key in keys],
        spectrum(shared, predictions.shared, text, threshold),
        points,
        tokens.flatten()[points.places],
        _miss_windows(method.slug, positives, tokens, shared, predictions.shared),
        _miss_windows(method.slug, negatives, tokens, shared, predictions.shared),
    )


def _miss_windows(
    slug: str,
    misses: Misses,
    tokens: Int[Tensor, "m ctx"],
    truth: Float[Tensor, "n m ctx"],
    prediction: Float[Tensor, "n m ctx"],
) -> list[Miss]:
    found = []
    for row, count in enumerate(misses.count.tolist()):
        there = misses.context[row] >= 0
        context, position = misses.context[row][there], misses.position[row][there]
        starts = window_starts(position, tokens.shape[1])
        windows = Windows(
            take_windows(tokens[context], starts),
            take_windows(truth[row, context], starts),
            starts.tolist(),
            truth[row, context, position].tolist(),
            {slug: take_windows(prediction[row, context], starts)},
        )
        found.append(Miss(count, windows, prediction[row, context, position].tolist()))
    return found


def _cells(
    columns: Sequence[str],
    scores: dict[str, float],
    intervals: dict[str, tuple[np.ndarray, np.ndarray]],
    row: int,
) -> dict[str, ScoreCell]:
    cells = {}
    for column in columns:
        low, high = intervals.get(column, (None, None))
        value = scores.get(column)
        if value is None or low is None or high is None:
            cells[column] = ScoreCell(value)
        else:
            cells[column] = ScoreCell(value, _or_none(low[row]), _or_none(high[row]))
    return cells


def _constant(scores: dict[str, float]) -> list[str]:
    ends = f"/{UNDEFINED}"
    return [
        name.removesuffix(ends) for name, value in scores.items() if name.endswith(ends) and value
    ]


def _intervals(
    columns: Sequence[str],
    predictions: Predictions,
    threshold: Float[Tensor, " n"],
    truth: Truth,
    own: _OwnContexts,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Low and high end of every column of a known scoring set, `[n]`."""
    top = predictions.own[:, own.top]
    n_top = top.shape[1]
    rows = truth.rows(TOP_AND_RANDOM)
    spread = torch.searchsorted(truth.uniform, rows[0, n_top:].contiguous())
    predicted = {
        UNIFORM: predictions.shared,
        TOP: top,
        TOP_AND_RANDOM: torch.cat([top, predictions.shared[:, spread]], dim=1),
    }
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for scoring_set, prediction in predicted.items():
        names = [name for name in METRICS if f"{scoring_set}/{name}" in columns]
        if not names:
            continue
        true = truth.activations(scoring_set)
        tokens = truth.tokens[truth.rows(scoring_set)[: 1 if scoring_set == UNIFORM else None]]
        weights = draw_weights(true.shape[1], RESAMPLES, seed=0)
        parts = [
            score_intervals(
                names, _scored(true, prediction, tokens != truth.bos, threshold, part), weights
            )
            for part in torch.arange(len(true)).split(ROWS_AT_ONCE)
        ]
        for name in names:
            low, high = (torch.cat([part[name][end] for part in parts]).numpy() for end in (0, 1))
            found[f"{scoring_set}/{name}"] = low, high
    return found


def _scored(
    truth: Float[Tensor, "n m ctx"],
    prediction: Float[Tensor, "n m ctx"],
    text: Bool[Tensor, "#n m ctx"],
    threshold: Float[Tensor, " n"],
    rows: Int[Tensor, " r"],
) -> Scored:
    own_text = text if len(text) == 1 else text[rows]
    return Scored(truth[rows], prediction[rows], own_text, threshold[rows])


def _text(truth: Truth) -> Bool[Tensor, "m ctx"]:
    """Which tokens of the `uniform` set count."""
    return truth.tokens[truth.uniform] != truth.bos


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
