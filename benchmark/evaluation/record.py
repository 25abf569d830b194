"""What identifies a run, where it goes, and the record that is kept of it."""

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
from benchmark.config.run_config import RunConfig
from benchmark.evaluation.experiment import Experiment
from benchmark.evaluation.explain import evidence_of
from benchmark.evaluation.simulators import is_own
from benchmark.evidence import (
    CALIBRATED_SETS,
    CALIBRATED_SUFFIX,
    NOVEL,
    SCORING_SETS,
    UNIFORM,
    Block,
)
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
    benchmark_version,
    collect_environment,
)
from benchmark.results.scores import CALIBRATION_PREFIX, CAUSAL_PREFIX, CLIPPED, EFFECT_PREFIX

# Scoring sets that runs of earlier versions have no scores on.
YOUNGER_SETS = (NOVEL, f"{NOVEL}{CALIBRATED_SUFFIX}")


def run_identity(experiment: Experiment, blocks: Sequence[Block]) -> dict[str, Any]:
    """Everything that determines the numbers of a run; equal identities give equal results."""
    config = experiment.config
    settings = dataclasses.asdict(experiment.store.settings)
    calibrate = settings.pop("calibrate")
    # Without it a run is what it was before there was calibration.
    calibration = {"calibration": [config.calibration, calibrate]} if config.calibrated else {}
    return {
        **calibration,
        "benchmark": benchmark_version(),
        "subject": experiment.subject.fingerprint,
        "site": experiment.subject.site,
        "dtype": config.dtype,
        "corpus": experiment.corpus.fingerprint,
        "settings": settings,
        "explainer": dict(config.explainer),
        "explainer_source": source_digest(config.explainer),
        "metrics": sorted(config.metrics.metrics),
        **({"both_references": True} if config.metrics.both_references else {}),
        **_causal_identity(config),
        **_simulator_identity(config),
        "bootstrap": dataclasses.asdict(config.bootstrap),
        "neurons": [[block.layer, block.neurons.tolist()] for block in blocks],
    }


def _causal_identity(config: RunConfig) -> dict[str, Any]:
    """Nothing for a run without causal scores, whose identity is then what it has always been."""
    causal = config.metrics.causal
    return {} if causal is None else {"causal": dataclasses.asdict(causal)}


def _simulator_identity(config: RunConfig) -> dict[str, Any]:
    """Nothing where explanations simulate themselves."""
    if is_own(config.simulator):
        return {}
    return {
        "simulator": dict(config.simulator),
        "simulator_source": source_digest(config.simulator),
    }


def run_folder(experiment: Experiment, identity: dict[str, Any]) -> tuple[Path, bool]:
    """Where the run goes, and whether it is finished there already."""
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
    """Means over neurons with their intervals, counts of undefined correlations, mean costs."""
    columns = scores.to_numpy()
    summary: dict[str, MetricSummary | int] = {}
    calibrated = CALIBRATED_SETS if config.calibrated else ()
    for scoring_set in (*SCORING_SETS, *calibrated):
        if scoring_set in YOUNGER_SETS and f"{scoring_set}/undefined" not in columns:
            continue
        for name in config.metrics.metrics:
            column = f"{scoring_set}/{name}"
            summary[column] = _mean_with_intervals(
                config, columns[column], columns["layer"], replicates=scores.replicates(column)
            )
        summary[f"{scoring_set}/undefined"] = int(columns[f"{scoring_set}/undefined"].sum())
    other = f"{UNIFORM}_{config.other_reference}/"
    for column in (name for name in scores.metric_columns if name.startswith(other)):
        summary[column] = _mean_with_intervals(config, columns[column], columns["layer"])
    for column in scores.positives_columns:
        summary[column] = _mean_and_median(columns[column])
    if config.calibrated:
        for column in (f"{CALIBRATION_PREFIX}slope", f"{CALIBRATION_PREFIX}intercept"):
            known = columns[column][~np.isnan(columns[column])]
            summary[column] = MetricSummary(
                mean=float(known.mean()) if len(known) else None,
                n=len(known),
                n_null=len(scores) - len(known),
            )
        summary[CLIPPED] = int(columns[CLIPPED].sum())
    for column in scores.causal_columns:
        summary[column] = _mean_with_intervals(config, columns[column], columns["layer"])
        effects = columns[column.replace(CAUSAL_PREFIX, EFFECT_PREFIX)]
        summary[f"{column}_weighted"] = _mean_with_intervals(
            config, columns[column], columns["layer"], effects
        )
    for column in (name for name in columns if name.startswith("cost/")):
        summary[column] = MetricSummary(mean=float(columns[column].mean()), n=len(scores))
    return summary


def _mean_and_median(values: NDArray[Any]) -> MetricSummary:
    """Of numbers of tokens; a few neurons that fire often decide the mean."""
    known = values[~np.isnan(values)]
    return MetricSummary(
        mean=float(known.mean()) if len(known) else None,
        median=float(np.median(known)) if len(known) else None,
        n=len(known),
        n_null=len(values) - len(known),
    )


def _mean_with_intervals(
    config: RunConfig,
    values: NDArray[Any],
    layers: NDArray[Any],
    weights: NDArray[Any] | None = None,
    replicates: metrics.Replicates | None = None,
) -> MetricSummary:
    return mean_with_intervals(
        values,
        layers=layers,
        weights=weights,
        replicates=replicates,
        resamples=config.bootstrap.resamples,
        level=config.bootstrap.confidence,
        seed=config.seed,
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
    """How many tokens of the sets that all neurons share are scored."""
    store = experiment.store
    tokens = store.held_out.tokens[store.uniform_rows]
    return {
        "uniform_tokens": int((tokens != store.held_out.bos).sum()),
        "novel_tokens": int(store.novel.sum()),
    }


def record_of(
    experiment: Experiment,
    explainer: Explainer,
    run_id: str,
    scores: Scores,
    command: Sequence[str],
) -> RunRecord:
    """The record of a run whose blocks are all scored; times are filled in by the runner."""
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
            d_mlp=subject.d_mlp,
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
    )
