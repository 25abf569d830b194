"""Repeated simulation and scoring of some of a run's saved explanations, where it is possible."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.evaluation.experiment import Experiment, open_corpus, open_subject
from benchmark.evaluation.reopen import ReopenedRun, blocks_of, check_fingerprint, config_of
from benchmark.evaluation.score import score_explanations
from benchmark.evidence import Block
from benchmark.llm.errors import NotKeptError
from benchmark.plugins.trusted import UntrustedError, built_in_config
from benchmark.results import OK, Run, Scores
from benchmark.results.columns import (
    SCORING_SETS,
    TEXT_COSTS,
    base_set,
    cost_column,
    group_of,
    metric_of,
)
from benchmark.results.layout import RECORD
from benchmark.results.resampled import STEP
from benchmark.scorers.chosen import check_trusted
from benchmark.subject.loading import place_of
from benchmark.vocabulary import Vocabulary
from leaderboards.rereading import check_text
from metrics import METRICS

NEURONS = 16
# A score that moves with every activation, as a part of its size where that is above 1.
SMOOTH = {"float32": 1e-3, "bfloat16": 2e-2, "float16": 2e-2}
# A score of firing jumps when one activation lies at the threshold: one neuron may move by the
# first, the mean over the neurons that were tried by the second.
FIRING_ONE, FIRING_MEAN = 0.1, 0.01


@dataclass(frozen=True)
class Resimulation:
    """What simulating again found.

    Attributes:
        neurons: the (layer, neuron) that were simulated; none where it could not be done.
        seed: what drew them.
        columns: how many columns of scores were compared.
        largest_difference: the largest difference of a score that does not hang on a threshold.
        reason: why nothing could be simulated; empty where it was.
    """

    neurons: list[tuple[int, int]]
    seed: int
    columns: int = 0
    largest_difference: float = 0.0
    reason: str = ""


def resimulate(
    run: Run,
    *,
    n_neurons: int = NEURONS,
    seed: int = 0,
    cache_dir: str | None = None,
    trust: Collection[str] = (),
) -> Resimulation:
    """Simulate the explanations of some neurons again and hold their scores against the saved ones.

    No subject is downloaded: one of the hub is available where the local cache has it. What the
    subject truly does is read where the cache still has the run's blocks, under the fingerprints
    of subject and corpus as they are now, and measured again elsewhere. What is available must be
    what the run says; only what is missing here is a reason not to simulate.

    Args:
        run: a validated run.
        n_neurons: how many neurons are drawn.
        seed: what draws them.
        cache_dir: where activations are kept; None takes the user's cache folder.
        trust: classes that may be imported besides built-in explainers and installed plug-ins.

    Raises:
        BenchmarkError: subject, corpus or explainer are others than the run says, or a score or
            the choice of neurons does not reproduce.
    """
    config = dataclasses.replace(
        config_of(run), cache_dir=cache_dir, device=None, batch_tokens=None, tracking={}
    )
    reopened = ReopenedRun(run, trust)
    reasons = (_no_explainer(reopened), _no_scorers(run, trust), _no_text(run, config))
    missing = [reason for reason in reasons if reason]
    if missing:
        return Resimulation([], seed, reason="; ".join(missing))
    experiment = reopened.open(config)
    check_described(run, experiment)
    try:
        return _scored_again(run, reopened, experiment, n_neurons, seed)
    except NotKeptError as error:
        return Resimulation([], seed, reason=str(error))


def _scored_again(
    run: Run, reopened: ReopenedRun, experiment: Experiment, n_neurons: int, seed: int
) -> Resimulation:
    """Return how the scores of some neurons reproduce.

    Raises:
        BenchmarkError: as `resimulate`.
    """
    config = experiment.config
    keys = run.scores.neurons()
    drawn = sorted(random.Random(seed).sample(keys, min(n_neurons, len(keys))))
    saved = {(line.layer, line.neuron): line for line in run.explanations(drawn)}
    blocks = _parts(blocks_of(run, experiment), drawn)
    experiment.store.prepare_truth(blocks, calibrate=config.calibrated)
    _check_draw(run, experiment)
    again: dict[tuple[int, int], Mapping[str, Any]] = {}
    vocabulary = Vocabulary.of(experiment.subject)
    for block in blocks:
        lines = [saved[block.layer, neuron] for neuron in block.neurons.tolist()]
        explanations = [reopened.restored(line, experiment.subject) for line in lines]
        for line, one in zip(lines, explanations, strict=True):
            tokens = experiment.store.held_out.tokens
            check_text(run, line.name, one, reopened.explainer, vocabulary, tokens)
        rows, _ = score_explanations(experiment, reopened.explainer, block, explanations, {})
        again.update({(row["layer"], row["neuron"]): row for row in rows})
    before = {(row["layer"], row["neuron"]): row for row in run.scores.rows(drawn)}
    pairs = [(key, before[key], again[key]) for key in drawn]
    columns, largest = _compare(run, pairs, SMOOTH[config.dtype])
    rescored = Scores.from_rows(again.values(), run.record.columns)
    _check_replicates(run, rescored, drawn, SMOOTH[config.dtype])
    return Resimulation(drawn, seed, columns, largest)


def _no_explainer(reopened: ReopenedRun) -> str:
    """Return why the run's explainer is not available, empty if it is.

    Raises:
        BenchmarkError: a built-in class refuses its options, or saw other evidence than is said.
    """
    explainer = reopened.run.record.explainer
    try:
        evidence = reopened.explainer.evidence
    except BenchmarkError as error:
        if built_in_config(explainer.target) is not None and not isinstance(error, UntrustedError):
            raise
        return str(error)
    if evidence != explainer.evidence:
        raise BenchmarkError(
            f"'{reopened.run.folder / RECORD}' says that {explainer.target} saw the evidence "
            f"'{explainer.evidence}', but with these options it sees '{evidence}'."
        )
    return ""


def _no_scorers(run: Run, trust: Collection[str]) -> str:
    """Return why a scorer that was added to the run may not be imported, empty if all may."""
    try:
        check_trusted(run.record.config.get("scorers") or {}, f"the run in '{run.folder}'", trust)
    except UntrustedError as error:
        return str(error)
    return ""


def _no_text(run: Run, config: RunConfig) -> str:
    """Return why subject or corpus are not available, empty if they are.

    Raises:
        BenchmarkError: one is available and is not the one of the run.
    """
    missing = not_at_hand(config)
    if missing:
        return missing
    try:
        subject = open_subject(config)
    except BenchmarkError as error:
        return str(error)
    check_fingerprint(run, "subject", run.record.subject.fingerprint, subject.fingerprint)
    try:
        corpus = open_corpus(config, subject)
    except BenchmarkError as error:
        return str(error)
    check_fingerprint(run, "corpus", run.record.corpus.fingerprint, corpus.fingerprint)
    return ""


def check_described(run: Run, experiment: Experiment) -> None:
    """Check what the record says of subject and corpus besides their fingerprints.

    Raises:
        BenchmarkError: it is not so.
    """
    record, subject, corpus = run.record, experiment.subject, experiment.corpus
    pairs: list[tuple[str, object, object]] = [
        ("subject.name", record.subject.name, subject.name),
        ("subject.site", record.subject.site, subject.site),
        ("subject.n_layers", record.subject.n_layers, subject.n_layers),
        *(
            (f"subject.units of layer {layer}", record.subject.n_units(layer), n_units)
            for layer, n_units in enumerate(map(subject.n_units, range(subject.n_layers)))
        ),
        ("subject.layers", record.subject.layers, experiment.layers),
        ("corpus.name", record.corpus.name, corpus.name),
    ]
    pairs += [
        (f"corpus.counts.{name}", count, corpus.counts[name])
        for name, count in record.corpus.counts.items()
        if name in corpus.counts
    ]
    for name, stated, found in pairs:
        if stated != found:
            raise BenchmarkError(
                f"'{run.folder / RECORD}' does not describe the run: {name} is {stated}, what is "
                f"available here has {found}."
            )


def not_at_hand(config: RunConfig) -> str:
    """Return why the subject cannot be obtained without a download, empty if it can."""
    model = config.model
    kind = str(model.get("kind") or "local")
    if kind == "planted":
        return ""
    name = str(model.get("name") or kind)
    try:
        place = place_of(model.get("source"), kind, name)
    except BenchmarkError as error:
        return str(error)
    if isinstance(place, Path):
        return ""
    from huggingface_hub import try_to_load_from_cache
    from transformer_lens.supported_models import get_official_model_name

    try:
        repository = str(get_official_model_name(place))
    except ValueError:
        repository = place
    found = try_to_load_from_cache(repository, "config.json", revision=model.get("revision"))
    if isinstance(found, str):
        return ""
    return f"the subject '{name}' ({repository}) is not in the local cache of the hub"


def _parts(whole: Sequence[Block], keys: Sequence[tuple[int, int]]) -> list[Block]:
    """Return what the run's blocks hold of some neurons; each part lies within one block."""
    parts = [
        (block.layer, [n for n in block.neurons.tolist() if (block.layer, n) in keys])
        for block in whole
    ]
    return [
        Block(number, layer, torch.tensor(neurons))
        for number, (layer, neurons) in enumerate(part for part in parts if part[1])
    ]


def _check_draw(run: Run, experiment: Experiment) -> None:
    """Check that the neurons are those that the configuration draws, so that nobody picks them."""
    drawn = {s.layer: s.neurons.tolist() for s in experiment.selections() if len(s.neurons)}
    stated = {layer: sorted(some) for layer, some in run.record.neurons.per_layer.items() if some}
    for layer in sorted({*drawn, *stated}):
        if drawn.get(layer) != stated.get(layer):
            raise BenchmarkError(
                f"the run in '{run.folder}' does not reproduce: in layer {layer} its configuration "
                f"draws other neurons than it has."
            )


def _compare(
    run: Run,
    pairs: Sequence[tuple[tuple[int, int], Mapping[str, Any], Mapping[str, Any]]],
    smooth: float,
) -> tuple[int, float]:
    """Return the number of columns that both have, and the largest difference of a smooth score.

    Raises:
        BenchmarkError: a score lies farther away than the tolerance allows.
    """
    largest = 0.0
    columns = run.scores.metric_columns
    for name in columns:
        if name not in pairs[0][2]:
            raise BenchmarkError(
                f"the run in '{run.folder}' does not reproduce: it has scores '{name}', which its "
                "configuration does not compute."
            )
    for key, before, now in pairs:
        if before["status"] == OK != now["status"]:
            raise _no_reproduction(run, key, "status", before["status"], now["error"])
        for column in map(cost_column, TEXT_COSTS):  # a run of an earlier version lacks them
            if column in before and before[column] != now[column]:
                raise _no_reproduction(run, key, column, before[column], now[column])
    for column in columns:
        allowed, firing = _tolerance(column, smooth)
        gaps = []
        for key, before, now in pairs:
            gap = _gap(before[column], now[column])
            gaps.append(gap)
            if gap > allowed:
                raise _no_reproduction(run, key, column, before[column], now[column])
        mean = sum(gaps) / len(gaps)
        if firing and mean > FIRING_MEAN:
            raise BenchmarkError(
                f"the run in '{run.folder}' does not reproduce: '{column}' of {len(gaps)} neurons "
                f"simulated again is off by {mean:.3g} in the mean; at most {FIRING_MEAN} is "
                "allowed."
            )
        largest = largest if firing else max(largest, *gaps)
    return len(columns), largest


def _check_replicates(
    run: Run, again: Scores, drawn: Sequence[tuple[int, int]], smooth: float
) -> None:
    """Check that the scores on resampled documents, which intervals rest on, reproduce.

    They are compared where both were drawn alike; another version of torch may draw otherwise.

    Raises:
        BenchmarkError: one lies farther away than the tolerance allows.
    """
    place = {key: row for row, key in enumerate(run.scores.neurons())}
    for column in run.scores.metric_columns:
        stated, found = run.scores.replicates(column), again.replicates(column)
        if stated is None or found is None or stated.draw != found.draw:
            continue
        allowed = _tolerance(column, smooth)[0] + 2 * STEP
        before = stated.values[[place[key] for key in drawn]]
        if before.shape != found.values.shape:
            raise BenchmarkError(
                f"the run in '{run.folder}' does not reproduce: '{column}' is there on "
                f"{before.shape[1]} resamples of the documents instead of {found.values.shape[1]}."
            )
        gaps = np.abs(before - found.values)
        gaps[np.isnan(before) & np.isnan(found.values)] = 0.0
        if np.isnan(gaps).any() or gaps.max() > allowed:
            row = int(np.nan_to_num(gaps, nan=np.inf).max(axis=1).argmax())
            raise BenchmarkError(
                f"the run in '{run.folder}' does not reproduce: '{column}' of neuron "
                f"{drawn[row][0]}.{drawn[row][1]} on resampled documents is not what simulating "
                "it again gives."
            )


def _tolerance(column: str, smooth: float) -> tuple[float, bool]:
    """Return how far one neuron's score may move, and whether it depends on a threshold."""
    scoring_set, metric = group_of(column), METRICS.get(metric_of(column))
    if metric is None or base_set(scoring_set) not in SCORING_SETS:
        return FIRING_ONE, True
    firing = metric.needs_threshold or metric.top_alpha
    return (FIRING_ONE, True) if firing else (smooth, False)


def _gap(before: float | None, now: float | None) -> float:
    """Return the difference, as a part of the saved value where that is above 1."""
    before, now = (None if value is None or value != value else value for value in (before, now))
    if before is None or now is None:
        return 0.0 if before is now else float("inf")
    return abs(now - before) / max(1.0, abs(before))


def _no_reproduction(
    run: Run, key: tuple[int, int], column: str, before: object, now: object
) -> BenchmarkError:
    return BenchmarkError(
        f"the run in '{run.folder}' does not reproduce: '{column}' of neuron {key[0]}.{key[1]} "
        f"is {before} in the submission and {now} when simulated again."
    )
