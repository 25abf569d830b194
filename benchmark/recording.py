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
from benchmark.config import RunConfig
from benchmark.evidence import CALIBRATED_SETS, SCORING_SETS, Block
from benchmark.experiment import Experiment
from benchmark.explainer_source import source_digest
from benchmark.explaining import evidence_of
from benchmark.interface import Explainer
from benchmark.results import (
    CorpusRecord,
    ExplainerRecord,
    MetricSummary,
    NeuronsRecord,
    RunRecord,
    Scores,
    SubjectRecord,
    benchmark_version,
    collect_environment,
)
from benchmark.results.scores import CALIBRATION_PREFIX, CAUSAL_PREFIX, CLIPPED, EFFECT_PREFIX


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
        **_causal_identity(config),
        "bootstrap": dataclasses.asdict(config.bootstrap),
        "neurons": [[block.layer, block.neurons.tolist()] for block in blocks],
    }


def _causal_identity(config: RunConfig) -> dict[str, Any]:
    """Nothing for a run without causal scores, whose identity is then what it has always been."""
    causal = config.metrics.causal
    return {} if causal is None else {"causal": dataclasses.asdict(causal)}


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
        for name in config.metrics.metrics:
            column = f"{scoring_set}/{name}"
            summary[column] = _mean_with_intervals(config, columns[column], columns["layer"])
        summary[f"{scoring_set}/undefined"] = int(columns[f"{scoring_set}/undefined"].sum())
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


def _mean_with_intervals(
    config: RunConfig,
    values: NDArray[Any],
    layers: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> MetricSummary:
    resampling: dict[str, Any] = {
        "resamples": config.bootstrap.resamples,
        "level": config.bootstrap.confidence,
        "seed": config.seed,
        "weights": weights,
    }
    estimate = metrics.mean_over_neurons(values, **resampling)
    by_layer = metrics.mean_over_neurons(values, clusters=layers, **resampling)
    return MetricSummary(
        mean=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        n=estimate.n,
        n_null=estimate.n_null,
        layer_low=by_layer.low,
        layer_high=by_layer.high,
    )


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
            counts={**corpus.counts, "source": corpus.source},
        ),
        neurons=NeuronsRecord(
            rule="list" if config.neurons.list is not None else "drawn from the living neurons",
            per_layer={s.layer: s.neurons.tolist() for s in selections},
            dead={s.layer: s.n_dead for s in selections},
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
        environment=collect_environment(),
        seeds={"seed": config.seed, "neurons": config.neurons.seed},
        summary=summarise(config, scores),
    )
