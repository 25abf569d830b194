"""Record of a run: its identity, its folder, and what `run.json` keeps of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import metrics
from benchmark.column import COUNT, MEAN, MEAN_AND_MEDIAN, Column
from benchmark.config.run_config import SHARD, RunConfig
from benchmark.evaluation.experiment import Experiment
from benchmark.evaluation.explain import evidence_of
from benchmark.evaluation.language_models import models_identity, options_identity
from benchmark.evaluation.simulators import is_own
from benchmark.evidence import Block, EvidenceSettings
from benchmark.interface import Explainer
from benchmark.plugins.source_digest import source_digest
from benchmark.results import (
    OVER_BOTH,
    OVER_NEURONS,
    CorpusRecord,
    ExplainerRecord,
    MetricSummary,
    NeuronsRecord,
    RunRecord,
    Scores,
    SimulatorRecord,
    SubjectRecord,
    UnitsRecord,
    benchmark_version,
    collect_environment,
)
from benchmark.results.columns import (
    CAUSAL,
    NOVEL,
    POSITIVES,
    SIMULATED_DETECTION,
    UNIFORM_SMALL,
    base_set,
)
from benchmark.scorers.chosen import added_columns, own_scorers, scorers_identity


def run_identity(experiment: Experiment, blocks: Sequence[Block]) -> dict[str, Any]:
    """Return all that determines the numbers of a run: equal identities give equal results."""
    config = experiment.config
    settings = dataclasses.asdict(experiment.store.settings)
    if is_own(config.simulator):
        # Counts only where it is used: the calibration scorer has it; candidates of sentences may
        # be chosen on it.
        del settings["calibrate"]
    for name in ("small", "small_tokens"):
        if settings[name] == getattr(EvidenceSettings, name):
            del settings[name]
    if settings["shard"] == SHARD:  # a run is what it was before there were others
        del settings["shard"]
    if experiment.store.tables.dtype == experiment.subject.dtype:
        del settings["storage"]
    return {
        # Of scorers that a run lacks there is nothing, so that it is what it was before they were.
        **scorers_identity(experiment.scorers),
        "benchmark": benchmark_version(),
        "subject": experiment.subject.fingerprint,
        "site": experiment.subject.site,
        # Without it a run is what it was before other units could be explained.
        **({} if config.explains_neurons else {"unit": dict(config.unit)}),
        "dtype": config.dtype,
        "corpus": experiment.corpus.fingerprint,
        "settings": settings,
        "explainer": options_identity(config.explainer, "explainer"),
        "explainer_source": source_digest(config.explainer),
        **_simulator_identity(config),
        **models_identity(config),
        "bootstrap": dataclasses.asdict(config.bootstrap),
        "neurons": [[block.layer, block.neurons.tolist()] for block in blocks],
    }


def _simulator_identity(config: RunConfig) -> dict[str, Any]:
    """Return nothing where explanations simulate themselves."""
    if is_own(config.simulator):
        return {}
    return {
        "simulator": options_identity(config.simulator, "simulator"),
        "simulator_source": source_digest(config.simulator),
    }


def run_folder(experiment: Experiment, identity: dict[str, Any]) -> tuple[Path, bool]:
    """Return where the run goes, and whether it is finished there already."""
    config = experiment.config
    parent = Path(config.results_dir).expanduser()
    for name in (experiment.subject.name, experiment.corpus.name, config.explainer["name"]):
        parent = parent / (re.sub(r"[^A-Za-z0-9._-]+", "_", str(name)).strip(".") or "_")
    text = json.dumps(identity, sort_keys=True)
    run_id = hashlib.sha256(text.encode()).hexdigest()[:12]
    if not _is_finished(parent / run_id):
        return parent / run_id, False
    if not config.fresh:
        return parent / run_id, True
    number = 2
    while _is_finished(parent / f"{run_id}-{number}"):
        number += 1
    return parent / f"{run_id}-{number}", False


def _is_finished(folder: Path) -> bool:
    return (folder / "run.json").exists()


def summarise(config: RunConfig, scores: Scores) -> dict[str, MetricSummary | int]:
    """Summarise every column over neurons, as it was declared.

    Raises:
        KeyError: the scores lack a column that the configuration asks for.
    """
    for column in (column for one in own_scorers(config) for column in one.columns()):
        if column.summary and not _is_younger(column) and column.name not in scores.columns:
            raise KeyError(column.name)
    return summaries(
        scores,
        resamples=config.bootstrap.resamples,
        level=config.bootstrap.confidence,
        seed=config.seed,
    )


def summaries(
    scores: Scores, *, resamples: int, level: float, seed: int
) -> dict[str, MetricSummary | int]:
    """Summarise every column that there is over neurons; the options as `mean_with_intervals`."""
    summary: dict[str, MetricSummary | int] = {}
    layers = scores.column("layer")
    options: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seed}
    for column in scores.described:
        values = scores.column(column.name)
        if column.summary == MEAN:
            replicates = scores.replicates(column.name)
            summary[column.name] = mean_with_intervals(
                values, layers=layers, replicates=replicates, **options
            )
            if column.weights in scores.columns:
                weights = scores.column(column.weights)
                summary[f"{column.name}_weighted"] = mean_with_intervals(
                    values, layers=layers, weights=weights, **options
                )
        elif column.summary == COUNT:
            summary[column.name] = int(values.sum())
        elif column.summary:
            summary[column.name] = _plain(values, median=column.summary == MEAN_AND_MEDIAN)
    return summary


def _is_younger(column: Column) -> bool:
    """Return whether runs of earlier versions lack a column of their configuration."""
    added_set = base_set(column.group) in (NOVEL, UNIFORM_SMALL)
    added = column.scorer in (CAUSAL, SIMULATED_DETECTION)
    return added_set or added or column.metric == POSITIVES


def _plain(values: NDArray[Any], *, median: bool) -> MetricSummary:
    """Return a mean without an interval; of counts also the median, as a few decide the mean."""
    known = values[~np.isnan(values)]
    return MetricSummary(
        mean=float(known.mean()) if len(known) else None,
        median=float(np.median(known)) if median and len(known) else None,
        n=len(known),
        n_null=len(values) - len(known),
    )


def mean_with_intervals(
    values: NDArray[Any],
    *,
    layers: NDArray[Any] | None = None,
    weights: NDArray[Any] | None = None,
    replicates: metrics.Replicates | None = None,
    resamples: int,
    level: float,
    seed: int,
) -> MetricSummary:
    """Return the mean of a score with its intervals: over neurons and documents, neurons, layers.

    Args:
        values: one score per neuron, NaN where it is null.
        layers: the layer of each neuron; None for no interval over layers.
        weights: how much each neuron counts; None counts all alike. A weighted mean has no
            interval over documents.
        replicates: the scores on resamples of the documents; None where there are none.
        resamples: number of bootstrap resamples.
        level: probability that the intervals cover.
        seed: seed of the resampling.
    """
    options: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seed}
    estimate = metrics.mean_over_neurons(values, weights=weights, **options)
    low, high, over = estimate.low, estimate.high, OVER_NEURONS
    if replicates is not None and weights is None:
        both = metrics.mean_over_neurons_and_documents(values, replicates, **options)
        if both.low is not None:
            low, high, over = both.low, both.high, OVER_BOTH
    by_layer = None
    if layers is not None:
        by_layer = metrics.mean_over_neurons(values, weights=weights, clusters=layers, **options)
    return MetricSummary(
        mean=estimate.mean,
        low=low,
        high=high,
        over=over,
        neuron_low=estimate.low,
        neuron_high=estimate.high,
        n=estimate.n,
        n_null=estimate.n_null,
        layer_low=None if by_layer is None else by_layer.low,
        layer_high=None if by_layer is None else by_layer.high,
    )


def _scored_tokens(experiment: Experiment) -> dict[str, int]:
    """Return how many tokens of the sets that all neurons share are scored."""
    store = experiment.store
    tokens = store.held_out.tokens[store.uniform_rows]
    return {
        "uniform_tokens": int((tokens != store.held_out.bos).sum()),
        "novel_tokens": int(store.novel.sum()),
        "uniform_small_tokens": int(store.small_text.sum()),
    }


def record_of(
    experiment: Experiment,
    explainer: Explainer,
    run_id: str,
    scores: Scores,
    command: Sequence[str],
) -> RunRecord:
    """Return the record of a run whose blocks are all scored; times are filled in by the runner."""
    config, subject, corpus = experiment.config, experiment.subject, experiment.corpus
    selections = experiment.selections()
    asked = sum(len(selection.neurons) for selection in selections)
    explained = sum(status == "ok" for status in scores.to_numpy()["status"])
    return RunRecord(
        run_id=run_id,
        benchmark_version=benchmark_version(),
        command=list(command),
        config=dataclasses.asdict(config),
        subject=SubjectRecord(
            name=subject.name,
            source=subject.source,
            fingerprint=subject.fingerprint,
            site=subject.site,
            layers=experiment.layers,
            n_layers=subject.n_layers,
            d_mlp=subject.n_units(0) if config.explains_neurons else None,
            units=UnitsRecord(
                kind=subject.units.kind,
                per_layer=[subject.n_units(layer) for layer in range(subject.n_layers)],
            ),
            device=str(subject.device),
            dtype=config.dtype,
            batch_tokens=subject.batch_tokens,
        ),
        corpus=CorpusRecord(
            name=corpus.name,
            fingerprint=corpus.fingerprint,
            context_length=config.context_length,
            counts={**corpus.counts, "source": corpus.source, **_scored_tokens(experiment)},
        ),
        neurons=NeuronsRecord(
            rule="list" if config.neurons.list is not None else "drawn from the living neurons",
            per_layer={s.layer: s.neurons.tolist() for s in selections},
            dead={s.layer: s.n_dead for s in selections},
            named_dead={s.layer: s.dead_neurons for s in selections if s.dead_neurons},
            asked=asked,
            explained=explained,
            coverage=explained / asked,
        ),
        explainer=ExplainerRecord(
            name=config.explainer["name"],
            target=config.explainer["_target_"],
            evidence=evidence_of(explainer),
            control=bool(config.explainer.get("control", False)),
            options=dict(config.explainer),
        ),
        simulator=None
        if is_own(config.simulator)
        else SimulatorRecord(
            name=config.simulator["name"],
            target=config.simulator["_target_"],
            options=dict(config.simulator),
        ),
        environment=collect_environment(),
        seeds={"seed": config.seed, "neurons": config.neurons.seed},
        summary=summarise(config, scores),
        columns=added_columns(experiment.scorers),
    )
