"""Scores of saved explanations computed again, by the same code that a run uses."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.causal.harness import replace_together
from benchmark.config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.evidence import CALIBRATED_SETS, Block
from benchmark.experiment import Experiment, open_experiment
from benchmark.explaining import build_explainer, restore
from benchmark.progress import progress
from benchmark.recording import summarise
from benchmark.results import Run, RunWriter, Scores, load_run
from benchmark.results.atomic import storage_errors
from benchmark.results.layout import EXPLANATIONS, RECORD, RESCORED, SCORES
from benchmark.runner import score_explanations

KEPT_COSTS = ("cost/subject_tokens", "cost/explain_seconds")


@dataclass(frozen=True)
class Rescored:
    """A run with new scores, and how far the metrics that both have lie apart.

    Attributes:
        run: the run as it now lies on the disk.
        compared: number of metric columns that the old and the new scores have in common.
        largest_difference: the largest absolute difference in these columns.
    """

    run: Run
    compared: int
    largest_difference: float


def rescore(run: Run, config: RunConfig) -> Rescored:
    """Simulate and score the explanations of a run again and put the new scores in its place.

    Args:
        run: a finished run.
        config: its configuration; metrics and what does not change the numbers may differ.

    Raises:
        BenchmarkError: subject or corpus are not those of the run.
    """
    experiment = open_experiment(config)
    check_same(run, experiment)
    explainer = build_explainer(config.explainer)
    blocks = blocks_of(run, experiment)
    experiment.store.prepare(blocks, calibrate=config.calibrated)
    saved = {(line.layer, line.neuron): line for line in run.explanations()}
    old = {(row["layer"], row["neuron"]): row for row in run.scores.rows()}
    for layer, neuron in old:
        if (layer, neuron) not in saved:
            raise BenchmarkError(
                f"'{run.folder}' has scores but no saved explanation of neuron {layer}.{neuron}: "
                "its explanations.jsonl is damaged; run the explainer again."
            )
    folder = run.folder / RESCORED
    shutil.rmtree(folder, ignore_errors=True)
    with RunWriter.open(folder, {"rescored": run.record.run_id}) as writer:
        with progress(len(saved), "score", "neurons") as bar:
            for block in blocks:
                keys = [(block.layer, neuron) for neuron in block.neurons.tolist()]
                explanations = [restore(saved[key], explainer, experiment.subject) for key in keys]
                costs = [
                    {name: old[key][name] for name in KEPT_COSTS if name in old[key]}
                    for key in keys
                ]
                rows, lines = score_explanations(experiment, explainer, block, explanations, costs)
                writer.write_block(block.index, rows, lines)
                bar.update(len(keys))
        scores = writer.scores()
        writer.finish(
            dataclasses.replace(
                run.record,
                config=dataclasses.asdict(config),
                summary=summarise(config, scores),
                together=replace_together(experiment, explainer, writer),
            )
        )
    same = run.record.config.get("calibration") == config.calibration
    compared, difference = _difference(run.scores, scores, () if same else CALIBRATED_SETS)
    _put(run.folder)
    return Rescored(load_run(run.folder), compared, difference)


def find_run(path: Path) -> Run:
    """The finished run in a folder; new scores that a killed `score` was putting there are put.

    Raises:
        BenchmarkError: there is no finished run, or it is damaged.
    """
    folder = path.parent if path.name == RECORD and path.is_file() else path
    if (folder / RESCORED / RECORD).is_file():
        _put(folder)
    return load_run(folder)


def check_same(run: Run, experiment: Experiment) -> None:
    """Check that subject and corpus are still those of the run.

    Raises:
        BenchmarkError: one of them is another.
    """
    record = run.record
    for what, then, now in (
        ("subject", record.subject.fingerprint, experiment.subject.fingerprint),
        ("corpus", record.corpus.fingerprint, experiment.corpus.fingerprint),
    ):
        if then != now:
            raise BenchmarkError(
                f"the {what} is not the one of run '{run.folder}': its fingerprint is now "
                f"{now[:12]}, in the run {then[:12]}. The scores would not be comparable; "
                "run the explainer again instead."
            )


def blocks_of(run: Run, experiment: Experiment) -> list[Block]:
    """The neurons of a run in the blocks that they were explained in."""
    import torch

    blocks: list[Block] = []
    for layer, neurons in sorted(run.record.neurons.per_layer.items()):
        for part in torch.tensor(neurons).split(experiment.config.neurons.block_size):
            if len(part):
                blocks.append(Block(len(blocks), layer, part))
    return blocks


def _difference(old: Scores, new: Scores, without: Sequence[str]) -> tuple[int, float]:
    """Number of common metric columns and the largest difference; null against a number is inf.

    The columns of the scoring sets `without` are left out: they are not meant to be the same.
    """
    common = [
        name
        for name in new.metric_columns
        if name in old.metric_columns and name.partition("/")[0] not in without
    ]
    largest = 0.0
    for name in common:
        before, after = old.column(name), new.column(name)
        if (np.isnan(before) != np.isnan(after)).any():
            return len(common), float("inf")
        gaps = np.abs(before - after)[~np.isnan(before)]
        largest = max(largest, float(gaps.max(initial=0.0)))
    return len(common), largest


def _put(folder: Path) -> None:
    """Put the finished new files in the place of the old, `run.json` last.

    Killed in between, the rest is put when the run is scored again: until `run.json` is moved,
    the new one tells that all new files are complete.
    """
    with storage_errors(folder):
        for name in (SCORES, EXPLANATIONS, RECORD):
            if (folder / RESCORED / name).exists():
                os.replace(folder / RESCORED / name, folder / name)
        shutil.rmtree(folder / RESCORED, ignore_errors=True)
