"""One run: explain every neuron, simulate on held-out text, score, and save block by block."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from benchmark.config.run_config import RunConfig
from benchmark.engine import Engine, Shard, Work, make_engine, run_shards
from benchmark.engine.local import LocalEngine
from benchmark.engine.options import LOCAL
from benchmark.errors import BenchmarkError
from benchmark.evaluation.completion import completed
from benchmark.evaluation.experiment import Experiment, cache_folder, open_experiment
from benchmark.evaluation.explain import OutageError
from benchmark.evaluation.language_models import explainer_of
from benchmark.evaluation.record import record_of, run_folder, run_identity
from benchmark.evaluation.score import finished_scores
from benchmark.evaluation.shapes import shape_of
from benchmark.evaluation.shard_costs import (
    BLOCK_NEURONS,
    BLOCK_SECONDS,
    CAPTURE_FLOP,
    CAPTURE_SECONDS,
    CAPTURE_TOKENS,
    QUERY_FLOP,
    THREADS,
)
from benchmark.evaluation.shards import OPENS, BlockTask, RunShards, check_importable
from benchmark.evidence import Block, Capture
from benchmark.files.atomic import check_path, check_writable, storage_errors
from benchmark.llm.spending import begin_session
from benchmark.results import FAILED, Run, RunWriter, Scores, load_run
from benchmark.results.writer import remove_unfinished
from benchmark.scorers.chosen import added_columns
from benchmark.tracking import MakeExtras, Tracker, layer_metrics, make_tracker

QUEUE = ".queue"  # in the results folder: what the jobs of a cluster hand to each other


@dataclass(frozen=True)
class Outcome:
    """A finished run and how it came about.

    Attributes:
        run: the run as it lies on the disk.
        reused: it had been finished before; nothing was computed.
        resumed_blocks: blocks that an earlier, interrupted process had saved.
        cache_hits: tables of layers that were read: profiles, samples, truth.
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
    session = begin_session()
    config = completed(config)
    explainer = explainer_of(config)
    tracker = make_tracker(config.tracking)
    cache, results = cache_folder(config), Path(config.results_dir).expanduser()
    check_path(cache)
    for place in (results, cache):
        if place != cache or not cache.exists():  # one that exists may hold all that is needed
            check_writable(place)
    experiment = open_experiment(config)
    _ = experiment.scorers  # made before anything is measured
    shards = RunShards(experiment, explainer)
    with make_engine(config.engine, results / QUEUE, device=config.device) as engine:
        work = _work(config, shards, [str(cache), str(results)], session)
        if not isinstance(engine, LocalEngine):
            experiment.store.measure = functools.partial(_measure, engine, work, experiment)
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
                computing = _Computing(experiment, shards, engine, work, tracker)
                outcome = computing.run(blocks, identity, folder, command)
            return dataclasses.replace(outcome, messages=tracker.finish(outcome.run, extras))
        except BaseException:
            tracker.abandon()
            raise


def _work(config: RunConfig, shards: RunShards, shared: list[str], session: str) -> Work:
    """Return what workers open; folders that they share with this process exist."""
    if config.engine["name"] == LOCAL:
        return Work(OPENS, {}, here=shards)
    check_importable(config)
    for folder in shared:
        with storage_errors(Path(folder)):
            Path(folder).mkdir(parents=True, exist_ok=True)
    return Work(OPENS, {"config": config, "session": session}, shared, here=shards)


def _measure(
    engine: Engine, work: Work, experiment: Experiment, captures: Sequence[Capture]
) -> None:
    """Have an engine make captures.

    Raises:
        BenchmarkError: one failed twice, and without it nothing can be explained.
    """
    length = experiment.config.context_length
    tasks = [Shard(one.name, one, (one.stop - one.start) * length) for one in captures]
    report = run_shards(engine, work, tasks, "measure activations", "tokens")
    if report.failed:
        shard, reason = report.failed[0]
        raise BenchmarkError(
            f"shard '{shard.name}' failed twice: {reason}. What is measured is kept; the same "
            "command tries again."
        )


def _reused(experiment: Experiment, blocks: Sequence[Block], folder: Path) -> Outcome:
    try:
        run = load_run(folder)
    except BenchmarkError as error:
        raise BenchmarkError(
            f"{error} Remove '{folder}' to run again, or keep it and give fresh=true."
        ) from error
    remove_unfinished(folder)
    store = experiment.store
    hits = sum(store.is_cached(block, sample=experiment.sampled) for block in blocks)
    return Outcome(run, True, 0, hits, store.cache.misses)


class _Computing:
    """A run under way: its shards are handed to an engine, and what they write is taken in."""

    def __init__(
        self,
        experiment: Experiment,
        shards: RunShards,
        engine: Engine,
        work: Work,
        tracker: Tracker,
    ) -> None:
        self._experiment, self._shards = experiment, shards
        self._engine, self._work, self._tracker = engine, work, tracker
        self._blocks: Sequence[Block] = ()
        self._repeated = 0
        self._block_seconds = 0.0  # of all workers together

    def run(
        self,
        blocks: Sequence[Block],
        identity: dict[str, Any],
        folder: Path,
        command: Sequence[str],
    ) -> Outcome:
        """Explain and score all blocks that are not on the disk, and finish the run."""
        experiment, self._blocks = self._experiment, blocks
        started = datetime.now(timezone.utc)
        with RunWriter.open(folder, identity, added_columns(experiment.scorers)) as writer:
            done = writer.completed_blocks()
            todo = [block for block in blocks if block.index not in done]
            began = time.perf_counter()
            if todo:
                self._shards.prepare()
            prepared = time.perf_counter() - began
            measured = 0.0
            for group in in_groups(todo, experiment.config.storage.neurons):
                measured += self._measure(group)
                self._explain(group, writer)
                if experiment.config.storage.neurons is not None:
                    experiment.store.drop(group)
            scores = writer.scores()
            name = experiment.config.explainer["name"]
            if all(status == FAILED for status in scores.column("status")):
                raise _none_explained(scores, writer.discard(), name)
            explainer = self._shards.explainer
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
                    "workers": self._engine.workers,
                    "repeated_shards": self._repeated,
                    **self._shard_costs(todo),
                },
            )
            writer.finish(record)
        cache = experiment.store.cache
        return Outcome(load_run(folder), False, len(done), cache.hits, cache.misses)

    def _shard_costs(self, done: Sequence[Block]) -> dict[str, float]:
        """Return what the shards of this process cost, for forecasts of other runs."""
        experiment = self._experiment
        store, shape = experiment.store, shape_of(experiment.subject)
        operations = (
            {}
            if shape is None
            else {
                CAPTURE_FLOP: shape.flop(max(experiment.layers)),
                QUERY_FLOP: round(shape.mean_flop(experiment.layers)),
            }
        )
        return {
            **operations,
            CAPTURE_TOKENS: store.capture_tokens,
            CAPTURE_SECONDS: round(store.capture_seconds, 3),
            BLOCK_SECONDS: round(self._block_seconds, 3),
            BLOCK_NEURONS: sum(len(block.neurons) for block in done),
            THREADS: torch.get_num_threads(),
        }

    def _measure(self, group: Sequence[Block]) -> float:
        """Measure what a group of blocks needs; returns the seconds that it took."""
        began = time.perf_counter()
        experiment = self._experiment
        experiment.store.prepare(
            group, sample=experiment.sampled, calibrate=experiment.config.calibrated
        )
        return time.perf_counter() - began

    def _explain(self, group: Sequence[Block], writer: RunWriter) -> None:
        """Have a group of blocks explained and scored; those that fail twice become failed rows."""
        name = self._experiment.config.explainer["name"]
        by_name = {f"block {block.index}": block for block in group}
        tasks = [
            Shard(one, BlockTask(block, writer.folder, writer.identity), len(block.neurons))
            for one, block in by_name.items()
        ]

        def take(shard: Shard) -> None:
            block = by_name[shard.name]
            writer.take(block.index)
            of_layer = {other.index for other in self._blocks if other.layer == block.layer}
            if of_layer <= writer.completed_blocks():
                metrics = layer_metrics(writer.scores(block.layer), block.layer)
                self._tracker.log_layer(block.layer, metrics)

        try:
            report = run_shards(
                self._engine, self._work, tasks, f"{name}: explain and score", "neurons", take
            )
        except OutageError as error:
            raise OutageError(error.reason, _left(self._blocks, writer)) from error
        self._repeated += report.repeated
        self._block_seconds += sum(report.seconds.values())
        for shard, reason in report.failed:
            failed = f"its worker died twice: {reason}"
            self._shards.fail(by_name[shard.name], writer.files, failed)
            take(shard)


def in_groups(blocks: Sequence[Block], at_once: int | None) -> list[list[Block]]:
    """Return blocks in groups that are measured together: of so many neurons, or of one block."""
    groups: list[list[Block]] = []
    size = 0
    for block in blocks:
        if not groups or (at_once is not None and size + len(block.neurons) > at_once):
            groups.append([])
            size = 0
        groups[-1].append(block)
        size += len(block.neurons)
    return groups


def _left(blocks: Sequence[Block], writer: RunWriter) -> str:
    """Return how many of a run's neurons are not explained yet, as a sentence."""
    left = sum(
        len(block.neurons) - len(writer.files.journal(block.index).entries)
        for block in blocks
        if writer.files.load(block.index) is None
    )
    return f"{left} of {sum(len(block.neurons) for block in blocks)} neurons are left. "


def _none_explained(scores: Scores, failures: Path, name: str) -> BenchmarkError:
    """Return the error for a run in which every neuron failed: what it failed of may pass."""
    first = scores.rows()[0]
    return BenchmarkError(
        f"explainer '{name}' explained none of {len(scores)} neurons, so the run is not finished. "
        f"The first, {first['layer']}.{first['neuron']}: {' '.join(str(first['error']).split())} "
        f"(all reasons: '{failures}'). The same command tries again."
    )
