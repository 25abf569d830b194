"""Finished runs of tens of thousands of neurons, written in seconds through the real writer.

Scores and record are those of a published run, repeated; explanations are N2G's, drawn at random.

    python -m tests.large_run results/large     # 8 layers of 4,096 neurons, to try the verbs on
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.results import OK, Run, RunWriter, explanation_line, find_runs, load_run
from benchmark.results.records import NeuronsRecord, UnitsRecord
from benchmark.results.resampled import RESAMPLED, resampled_entry
from leaderboards.publishing import PUBLISHED

LAYERS, PER_LAYER, BLOCK = 8, 4096, 256
VOCABULARY = 4096


def published(explainer: str) -> Run:
    """Return a published run of an explainer on the first built-in subject."""
    return load_run(find_runs([PUBLISHED / "solu-tiny" / "stdlib" / explainer])[0])


def write_large_run(
    folder: Path,
    explainer: str = "n2g",
    *,
    layers: int = LAYERS,
    per_layer: int = PER_LAYER,
    paths: int = 8,
    seed: int = 0,
) -> Run:
    """Write a finished run of all neurons of some layers.

    Args:
        folder: the run's folder.
        explainer: one that was published; its explanations are made up for `n2g` and `mean`.
        layers: how many there are.
        per_layer: neurons of each.
        paths: patterns of an explanation, at most.
        seed: seed of what is drawn.
    """
    run = published(explainer)
    rng = np.random.default_rng(seed)
    rows = cycle(list(_rows(run)))
    with RunWriter.open(folder, {"large": explainer, "seed": seed}) as writer:
        for block, (layer, start) in enumerate(
            (layer, start) for layer in range(layers) for start in range(0, per_layer, BLOCK)
        ):
            neurons = range(start, min(start + BLOCK, per_layer))
            some = zip(neurons, islice(rows, len(neurons)), strict=True)
            entries = [{**row, "layer": layer, "neuron": neuron} for neuron, row in some]
            lines = [
                explanation_line(layer, neuron, _explanation(explainer, rng, paths))
                for neuron in neurons
            ]
            writer.write_block(block, entries, lines)
        record, every = run.record, list(range(per_layer))
        n_neurons = layers * per_layer
        subject = dataclasses.replace(
            record.subject,
            name="large",
            layers=list(range(layers)),
            n_layers=layers,
            d_mlp=per_layer,
            units=UnitsRecord(kind="mlp", per_layer=[per_layer] * layers),
        )
        neurons_record = NeuronsRecord(
            rule="list",
            per_layer=dict.fromkeys(range(layers), every),
            dead=dict.fromkeys(range(layers), 0),
            asked=n_neurons,
            explained=n_neurons,
            coverage=1.0,
        )
        writer.finish(
            dataclasses.replace(
                record, run_id=folder.name, subject=subject, neurons=neurons_record, files={}
            )
        )
    return load_run(folder)


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    """Yield a run's rows as they were written, the scores on resamples with them."""
    replicates = {
        column: found
        for column in run.scores.metric_columns
        if (found := run.scores.replicates(column)) is not None
    }
    for number, row in enumerate(run.scores.rows()):
        deviations = {
            column: found.values[number] - run.scores.column(column)[number]
            for column, found in replicates.items()
        }
        about = next(iter(replicates.values()))
        entry = resampled_entry(deviations, about.n_documents, about.draw)
        yield {**row, "status": OK, "error": None, RESAMPLED: entry}


def _explanation(explainer: str, rng: np.random.Generator, most: int) -> dict[str, Any]:
    if explainer != "n2g":
        return {"value": round(float(rng.random()), 4)}
    drawn = rng.zipf(1.3, (int(rng.integers(1, most + 1)), 3)) % VOCABULARY + 1
    tokens = sorted({tuple(path[: 1 + number % 3]) for number, path in enumerate(drawn.tolist())})
    known = {token for path in tokens for token in path}
    return {
        "max_activation": 1.0,
        "default": 0.0,
        "match": "longest",
        "paths": [[list(path), round(float(rng.random()), 2)] for path in tokens],
        "shown": {"bos": 0, "texts": {str(token): f"·word{token}" for token in sorted(known)}},
    }


def main() -> int:
    """Write two large runs below a folder; returns the exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m tests.large_run FOLDER", file=sys.stderr)
        return 2
    for explainer, seed in (("n2g", 0), ("n2g", 1), ("mean", 0)):
        run = write_large_run(Path(sys.argv[1]) / f"{explainer}-{seed}", explainer, seed=seed)
        print(f"{run.folder}: {len(run.scores):,} neurons")
    return 0


if __name__ == "__main__":
    sys.exit(main())
