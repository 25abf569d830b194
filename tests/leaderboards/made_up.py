"""Runs with scores as a test wants them, without a subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.results import (
    CorpusRecord,
    ExplainerRecord,
    Run,
    RunRecord,
    RunWriter,
    Scores,
    SubjectRecord,
    explanation_line,
    load_run,
)
from benchmark.results.records import MetricSummary, NeuronsRecord
from benchmark.results.resampled import RESAMPLED, resampled_entry

N_LAYERS, PER_LAYER = 2, 12
NEURONS = [(layer, neuron) for layer in range(N_LAYERS) for neuron in range(PER_LAYER)]
CONFIG = {
    "seed": 0,
    "context_length": 16,
    "firing_threshold": 0.5,
    "contexts": {"explain": 9, "held_out": 8, "uniform": 4, "top": 2},
    "bootstrap": {"resamples": 100, "confidence": 0.95},
}


def quality(shift: float, seed: int = 0, noise: float = 0.01) -> np.ndarray:
    """One score a neuron: neurons differ more from each other than runs do."""
    neuron = np.random.default_rng(0).random(len(NEURONS)) * 0.5
    return neuron + shift + noise * np.random.default_rng(seed).standard_normal(len(NEURONS))


def made_up_run(
    name: str,
    shift: float = 0.0,
    *,
    run_id: str | None = None,
    neurons: Sequence[tuple[int, int]] = NEURONS,
    pearson: Sequence[float | None] | None = None,
    sizes: int | Sequence[int] = 100,
    tokens: float = 10.0,
    seconds: float = 0.5,
    options: Mapping[str, Any] | None = None,
    columns: Mapping[str, Sequence[float | None]] | None = None,
    without: Sequence[str] = (),
    failed: Sequence[tuple[int, int]] = (),
    config: Mapping[str, Any] | None = None,
    subject: SubjectRecord | None = None,
    corpus: CorpusRecord | None = None,
    evidence: str = "exemplars",
    control: bool = False,
    target: str | None = None,
    noise: float = 0.01,
    folder: Path | None = None,
    documents: float | None = None,
    draw: str = "made up",
    **record: Any,
) -> Run:
    """A run whose Pearson on `uniform` is `shift` above that of another one.

    `documents` is how far all its scores move, as a standard deviation, when other documents are
    drawn; None for a run that keeps no scores on resamples.
    """
    found = quality(shift, seed=sum(map(ord, name)), noise=noise)[: len(neurons)]
    values = list(found) if pearson is None else list(pearson)
    of_each = [sizes] * len(neurons) if isinstance(sizes, int) else list(sizes)
    rows = []
    for place, (layer, neuron) in enumerate(neurons):
        value = values[place]
        bad = (layer, neuron) in failed
        row = {
            "layer": layer,
            "neuron": neuron,
            "status": "failed" if bad else "ok",
            "error": "broken" if bad else None,
            "uniform/pearson": value,
            "uniform/auprc": value,
            "uniform/f1": None if place == 3 else value,
            "uniform/iou": value,
            "uniform/recall": value,
            "uniform/undefined": bad,
            "top/pearson": value,
            "top/f1": value,
            "top/undefined": False,
            "cost/subject_tokens": tokens,
            "cost/explain_seconds": seconds,
            "cost/simulate_seconds": 0.25,
            "cost/bytes": of_each[place],
            **{column: of_neurons[place] for column, of_neurons in (columns or {}).items()},
        }
        if documents is not None:
            row[RESAMPLED] = _moved(name, value, documents, draw)
        rows.append({key: value for key, value in row.items() if key not in without})
    scores = Scores.from_rows(rows)
    asked = len(scores)
    fields: dict[str, Any] = {
        "run_id": run_id or f"id-{name}",
        "subject": subject or SubjectRecord(name="small", fingerprint="s1"),
        "corpus": corpus or CorpusRecord(name="texts", fingerprint="c1", context_length=16),
        "explainer": ExplainerRecord(
            name=name,
            target=target or f"explainers.{name}.Made",
            evidence=evidence,
            control=control,
            options={"name": name, "_target_": target or f"explainers.{name}.Made"}
            | dict(options or {}),
        ),
        "neurons": NeuronsRecord(
            per_layer={
                layer: [neuron for at, neuron in neurons if at == layer]
                for layer in sorted({at for at, _ in neurons})
            },
            asked=asked,
            explained=asked - len(failed),
            coverage=(asked - len(failed)) / asked,
        ),
        "summary": {
            column: MetricSummary(
                mean=_mean(scores.column(column)), low=0.0, high=1.0, n=asked, n_null=0
            )
            for column in scores.metric_columns
        },
        "config": {**CONFIG, **(config or {})},
        "finished": "2026-01-02T03:04:05+00:00",
        **record,
    }
    return Run(folder or Path("results") / fields["run_id"], RunRecord(**fields), scores)


def _moved(name: str, value: float | None, spread: float, draw: str) -> dict[str, Any]:
    """Deviations that are the same for all neurons of a run, and others in another run."""
    drawn = np.random.default_rng(sum(map(ord, name))).standard_normal(200)
    moved = spread * drawn if value is not None else np.full(200, np.nan)
    return resampled_entry({"uniform/pearson": moved}, 50, draw)


def saved(run: Run, folder: Path) -> Run:
    """The run as files, with an explanation of each neuron."""
    with RunWriter.open(folder, {"run": run.record.run_id}) as writer:
        lines = [
            explanation_line(row["layer"], row["neuron"], error=row["error"])
            if row["status"] == "failed"
            else explanation_line(row["layer"], row["neuron"], {"value": 1})
            for row in run.scores.rows()
        ]
        writer.write_block(0, run.scores.rows(), lines)
        writer.finish(run.record)
    return load_run(folder)


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
