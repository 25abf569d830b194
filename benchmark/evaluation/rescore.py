"""Scores of saved explanations computed again, by the same code that a run uses."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.config.run_config import RunConfig, setting
from benchmark.errors import BenchmarkError
from benchmark.evaluation.record import summarise
from benchmark.evaluation.reopen import ReopenedRun, blocks_of
from benchmark.evaluation.score import finished_scores, score_explanations
from benchmark.files.atomic import storage_errors
from benchmark.files.explanation_size import SIZE_MEASURE
from benchmark.llm.spending import begin_session
from benchmark.results import Run, RunWriter, SavedExplanation, Scores, load_run
from benchmark.results.blocks import Key
from benchmark.results.columns import costs_of_explaining
from benchmark.results.digests import digest_of
from benchmark.results.explanation_files import listed_names, names_on_disk
from benchmark.results.layout import RECORD, RESCORED, SCORES
from benchmark.results.reader import read_record_of
from benchmark.scorers.chosen import added_columns, check_trusted
from benchmark.terminal.progress import progress


@dataclass(frozen=True)
class Rescored:
    """A run with new scores, and how far the metrics that both have differ.

    Attributes:
        run: the run as it now lies on the disk.
        compared: number of metric columns that the old and the new scores have in common.
        largest_difference: the largest absolute difference in these columns.
    """

    run: Run
    compared: int
    largest_difference: float


def rescore(run: Run, config: RunConfig, trust: Collection[str] = ()) -> Rescored:
    """Simulate and score the explanations of a run again and put the new scores in its place.

    Args:
        run: a finished run.
        config: its configuration; metrics and what does not change the numbers may differ.
        trust: classes that may be imported besides built-in explainers and installed plug-ins.

    Raises:
        BenchmarkError: subject, corpus or a file of the run are not those of the run, or its
            explainer is of a class that is not accepted.
    """
    begin_session()
    recorded = run.record.config.get("scorers") or {}
    # Those that the user names now are his own choice.
    kept = {name: options for name, options in config.scorers.items() if name in recorded}
    check_trusted(kept, f"the run in '{run.folder}'", trust)
    reopened = ReopenedRun(run, trust)
    explainer = reopened.explainer
    experiment = reopened.open(config)
    blocks = blocks_of(run, experiment)
    experiment.store.prepare(blocks, sample=False, calibrate=config.calibrated)
    folder = run.folder / RESCORED
    shutil.rmtree(folder, ignore_errors=True)
    columns = added_columns(experiment.scorers)
    opened = RunWriter.open(folder, {"rescored": run.record.run_id}, columns)
    with _removed_on_failure(folder), opened as writer:
        with progress(len(run.scores), "score", "neurons") as bar:
            for block in blocks:
                keys = [(block.layer, neuron) for neuron in block.neurons.tolist()]
                saved = _saved(run, keys)
                explanations = [reopened.restored(saved[key], experiment.subject) for key in keys]
                old = {(row["layer"], row["neuron"]): row for row in run.scores.rows(keys)}
                costs = [
                    {name: old[key][name] for name in costs_of_explaining(old[key])} for key in keys
                ]
                rows, lines = score_explanations(experiment, explainer, block, explanations, costs)
                writer.write_block(block.index, rows, lines)
                bar.update(len(keys))
        scores = writer.scores()
        writer.finish(
            dataclasses.replace(
                run.record,
                config=dataclasses.asdict(config),
                size_measure=SIZE_MEASURE,
                summary=summarise(config, scores),
                columns=columns,
                **{"together": [], **finished_scores(experiment, explainer, writer)},
            )
        )
    compared, difference = _difference(run, config, scores)
    _put(run.folder)
    return Rescored(load_run(run.folder), compared, difference)


def _saved(run: Run, keys: Sequence[Key]) -> dict[Key, SavedExplanation]:
    """Return what is saved of some neurons.

    Raises:
        BenchmarkError: a file is damaged, or has no line of one of them.
    """
    saved = {(line.layer, line.neuron): line for line in run.explanations(keys)}
    for layer, neuron in keys:
        if (layer, neuron) not in saved:
            raise BenchmarkError(
                f"'{run.folder}' has scores but no saved explanation of neuron {layer}.{neuron}: "
                f"{run.explanation_file(layer, neuron).name} is damaged; run the explainer again."
            )
    return saved


def run_to_score(path: Path) -> Run:
    """Return the finished run in a folder; a replacement that a killed `score` began is completed.

    Raises:
        BenchmarkError: there is no finished run, a file of it is not the one that was written, or
            run.json has no digests, so that nobody can tell.
    """
    folder = path.parent if path.name == RECORD and path.is_file() else path
    if (folder / RESCORED / RECORD).is_file() and _is_whole(folder):
        _put(folder)
    run = load_run(folder)
    for name in (SCORES, *listed_names(run.record)):
        if name not in run.record.files:
            raise BenchmarkError(
                f"'{folder / RECORD}' has no digest of {name}, so nobody can tell whether it is "
                "the file that the run wrote; it is not scored again."
            )
    return run


def _is_whole(folder: Path) -> bool:
    """Return whether the new files, moved already or not, are those `score` wrote for the run."""
    expected = read_record_of(folder).run_id
    try:
        record = read_record_of(folder / RESCORED)
    except BenchmarkError:
        return False
    if record.run_id != expected:
        return False
    for name in (SCORES, *listed_names(record)):
        new = folder / RESCORED / name
        path = new if new.exists() else folder / name
        written = record.files.get(name)
        if written is None or not path.is_file() or digest_of(path) != written.sha256:
            return False
    return True


def _difference(run: Run, config: RunConfig, new: Scores) -> tuple[int, float]:
    """Number of common metric columns and the largest difference; null against a number is inf.

    Columns that rest on a setting which has changed are left out: they are meant to differ.
    """
    old, now = run.scores, dataclasses.asdict(config)

    def same(name: str) -> bool:
        keys = new.about(name).comparable_on
        return all(setting(run.record.config, key) == setting(now, key) for key in keys)

    common = [name for name in new.metric_columns if name in old.metric_columns and same(name)]
    largest = 0.0
    for name in common:
        before, after = old.column(name), new.column(name)
        if (np.isnan(before) != np.isnan(after)).any():
            return len(common), float("inf")
        gaps = np.abs(before - after)[~np.isnan(before)]
        largest = max(largest, float(gaps.max(initial=0.0)))
    return len(common), largest


@contextlib.contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Leave a run as it was if it cannot be scored again; whole new scores stay, to be put."""
    try:
        yield
    except BaseException:
        if not (folder / RECORD).exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _put(folder: Path) -> None:
    """Replace the old files by the finished new ones, `run.json` last.

    Killed in between, the rest is put when the run is scored again: until `run.json` is moved,
    the new one tells that all new files are complete.
    """
    with storage_errors(folder):
        record = folder / RESCORED / RECORD
        names = listed_names(read_record_of(folder / RESCORED)) if record.exists() else []
        for name in (SCORES, *names):
            if (folder / RESCORED / name).exists():
                (folder / name).parent.mkdir(exist_ok=True)
                os.replace(folder / RESCORED / name, folder / name)
        if record.exists():
            # An earlier version kept one file, however large the run.
            for name in set(names_on_disk(folder)) - set(names):
                (folder / name).unlink()
            os.replace(record, folder / RECORD)
        shutil.rmtree(folder / RESCORED, ignore_errors=True)
