"""One run: explain every neuron, simulate on held-out text, score, and save block by block."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.evaluation.answers import KeptAnswers, cost_columns, explain_block, restoring
from benchmark.evaluation.experiment import Experiment, cache_folder, open_experiment
from benchmark.evaluation.explain import (
    OutageError,
    build_explainer,
    prepare_explainer,
)
from benchmark.evaluation.record import record_of, run_folder, run_identity
from benchmark.evaluation.score import finished_scores, score_explanations
from benchmark.evaluation.simulators import explaining, with_simulator
from benchmark.evidence import Block
from benchmark.interface import Explainer, NeedsSubject
from benchmark.plugins.handed import HandedStorage
from benchmark.results import (
    FAILED,
    Run,
    RunWriter,
    Scores,
    check_path,
    check_writable,
    load_run,
)
from benchmark.results.journal import Journal
from benchmark.results.writer import remove_unfinished
from benchmark.scorers.chosen import added_columns
from benchmark.terminal.progress import progress
from benchmark.tracking import MakeExtras, Tracker, layer_metrics, make_tracker


@dataclass(frozen=True)
class Outcome:
    """A finished run and how it came about.

    Attributes:
        run: the run as it lies on the disk.
        reused: it had been finished before; nothing was computed.
        resumed_blocks: blocks that an earlier, interrupted process had saved.
        cache_hits: files of evidence, truth and profiles that were read.
        cache_misses: those that had to be computed.
        messages: what the tracker tells the user.
    """

    run: Run
    reused: bool
    resumed_blocks: int
    cache_hits: int
    cache_misses: int
    messages: Sequence[str] = ()


def run(
    config: RunConfig, command: Sequence[str] = (), extras: MakeExtras | None = None
) -> Outcome:
    """Run one explainer on one subject and corpus, or continue or reuse the same run.

    Args:
        config: the configuration.
        command: what was typed, for the record.
        extras: makes the tables and pictures that a tracker shows with the finished run.

    Raises:
        BenchmarkError: for whatever the user can fix.
    """
    explainer = build_explainer(config.explainer)
    simulated = with_simulator(explainer, config.simulator)
    tracker = make_tracker(config.tracking)
    cache = cache_folder(config)
    check_path(cache)
    for place in (Path(config.results_dir).expanduser(), cache):
        if place != cache or not cache.exists():  # one that exists may hold all that is needed
            check_writable(place)
    experiment = open_experiment(config)
    _ = experiment.scorers  # made before anything is measured
    blocks = experiment.blocks()
    identity = run_identity(experiment, blocks)
    folder, finished = run_folder(experiment, identity)
    tracker.start(
        f"{config.explainer['name']}-{experiment.subject.name}-{folder.name}",
        dataclasses.asdict(config),
    )
    try:
        if finished:
            outcome = _reused(experiment, blocks, folder)
        else:
            outcome = _compute(experiment, simulated, blocks, identity, folder, command, tracker)
        return dataclasses.replace(outcome, messages=tracker.finish(outcome.run, extras))
    except BaseException:
        tracker.abandon()
        raise


def _reused(experiment: Experiment, blocks: Sequence[Block], folder: Path) -> Outcome:
    try:
        run = load_run(folder)
    except BenchmarkError as error:
        raise BenchmarkError(
            f"{error} Remove '{folder}' to run again, or keep it and give fresh=true."
        ) from error
    remove_unfinished(folder)
    store = experiment.store
    hits = 2 * sum(store.is_cached(block) for block in blocks)
    return Outcome(run, True, 0, hits, store.cache.misses)


def _compute(
    experiment: Experiment,
    explainer: Explainer,
    blocks: Sequence[Block],
    identity: dict[str, Any],
    folder: Path,
    command: Sequence[str],
    tracker: Tracker,
) -> Outcome:
    started = datetime.now(timezone.utc)
    if isinstance(explainer, NeedsSubject):  # its simulator may need the tokenizer
        explainer.bind(experiment.handed_subject)
    with RunWriter.open(folder, identity, added_columns(experiment.scorers)) as writer:
        done = writer.completed_blocks()
        todo = [block for block in blocks if block.index not in done]
        began = time.perf_counter()
        if todo:
            storage = HandedStorage(experiment.store.cache)
            prepare_explainer(explaining(explainer), experiment.explain_text(), storage)
        prepared = time.perf_counter() - began
        experiment.store.prepare(todo, calibrate=experiment.config.calibrated)
        measured = time.perf_counter() - began - prepared
        n_todo = sum(len(block.neurons) for block in todo)
        n_asked = sum(len(block.neurons) for block in blocks)
        name = experiment.config.explainer["name"]
        with progress(n_todo, f"{name}: explain and score", "neurons") as bar:
            for number, block in enumerate(todo):
                journal = writer.journal(block.index)
                try:
                    rows, lines = _run_block(experiment, explainer, block, journal)
                except OutageError as error:
                    n_left = n_todo - sum(len(one.neurons) for one in todo[:number])
                    n_left -= len(journal.entries)
                    left = f"{n_left} of {n_asked} neurons are left. "
                    raise OutageError(error.reason, left) from error
                writer.write_block(block.index, rows, lines)
                bar.update(len(block.neurons))
                if all(later.layer != block.layer for later in todo[number + 1 :]):
                    tracker.log_layer(block.layer, layer_metrics(writer.scores(), block.layer))
        scores = writer.scores()
        if all(status == FAILED for status in scores.column("status")):
            raise _none_explained(scores, writer.discard(), name)
        record = record_of(experiment, explainer, folder.name, scores, command)
        record = dataclasses.replace(
            record,
            **finished_scores(experiment, explainer, writer),
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            timings={
                "measure_seconds": round(measured, 3),
                "prepare_seconds": round(prepared, 3),
                "total_seconds": round(time.perf_counter() - began, 3),
                "resumed_blocks": len(done),
            },
        )
        writer.finish(record)
    cache = experiment.store.cache
    return Outcome(load_run(folder), False, len(done), cache.hits, cache.misses)


def _none_explained(scores: Scores, failures: Path, name: str) -> BenchmarkError:
    """Return the error for a run in which every neuron failed: what it failed of may pass."""
    first = scores.rows()[0]
    return BenchmarkError(
        f"explainer '{name}' explained none of {len(scores)} neurons, so the run is not finished. "
        f"The first, {first['layer']}.{first['neuron']}: {' '.join(str(first['error']).split())} "
        f"(all reasons: '{failures}'). The same command tries again."
    )


def _run_block(
    experiment: Experiment, explainer: Explainer, block: Block, journal: Journal
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    subject, store = experiment.subject, experiment.store
    handed, explains = experiment.handed_subject, explaining(explainer)
    evidence = store.evidence(block)
    kept = KeptAnswers(
        block.layer, journal, restoring(explains, handed), lambda: subject.tokens_run
    )
    answers = explain_block(explains, evidence, handed, lambda: store.evidence(block), kept)
    kept.lap()
    costs = cost_columns(answers, kept.spent)
    explanations = [explained.answer for explained in answers]
    return score_explanations(experiment, explainer, block, explanations, costs)
