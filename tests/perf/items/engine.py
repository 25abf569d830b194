"""Cost of a shard to the driver of each engine, and how busy it could keep many workers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

from benchmark.engine import Engine, Shard, Work, make_engine, run_shards
from benchmark.engine.schedule import Schedule, simulated
from tests.perf.comparison import Comparison, Meter
from tests.perf.workload import Workload

MILLISECONDS = Meter("ms", lambda call: float(call()))
PART = Meter("% of it", lambda call: float(call()))
PASSES = 24
SHARDS_A_WORKER = 40
SECONDS_A_SHARD = 20.0
DRIVER_SECONDS = 0.005  # the most that a shard may cost a driver


def open_nothing(_: Any) -> Callable[[Any], None]:
    """What workers open: a shard of it does nothing."""
    return lambda _: None


def driver(config: dict[str, Any]) -> Callable[[Workload], Comparison]:
    """Seconds of the driver's processor for a shard that does nothing, against a loop here."""

    def prepare(workload: Workload) -> Comparison:
        def measured(config: dict[str, Any]) -> float:
            work = Work("tests.perf.items.engine:open_nothing", {}, [str(workload.folder)])
            with make_engine(config, workload.folder, device="cpu") as engine:
                _cost(engine, work, 8)  # starts the workers
                return _cost(engine, work, 2 * workload.sizes.contexts)

        return Comparison(
            measured=lambda: measured(config),
            baseline=lambda: measured({"name": "local"}),
            meter=MILLISECONDS,
        )

    return prepare


def _cost(engine: Engine, work: Work, n: int) -> float:
    """Milliseconds of this process's processor for each of n shards."""
    shards = [Shard(f"shard {number}", number) for number in range(n)]
    began = time.process_time()
    run_shards(engine, work, shards, "nothing", "shards")
    return 1000 * (time.process_time() - began) / n


def tail(workers: int) -> Callable[[Workload], Comparison]:
    """The part of a simulated schedule at its end in which fewer than 90 % of the workers are busy.

    The baseline deals the shards out beforehand. The shards differ as forward passes over ranges of
    contexts were measured to differ.
    """

    def prepare(workload: Workload) -> Comparison:
        passes = _passes(workload)
        seconds = _resampled(passes, SHARDS_A_WORKER * workers)

        def dealt() -> Schedule:
            spans = []
            for worker in range(workers):
                ends = [0.0, *accumulate(seconds[worker::workers])]
                spans += pairwise(ends)
            return Schedule(workers, spans)

        return Comparison(
            measured=lambda: _tail(simulated(seconds, workers, DRIVER_SECONDS)),
            baseline=lambda: _tail(dealt()),
            meter=PART,
        )

    return prepare


def _tail(schedule: Schedule) -> float:
    return 100 * (1 - schedule.busy_until())


def _passes(workload: Workload) -> list[float]:
    """Seconds of passes over as many ranges of contexts."""
    tokens, found = workload.explain.tokens, []
    size = max(1, len(tokens) // PASSES)
    for start in range(0, size * PASSES, size):
        part = tokens[start : start + size] if start < len(tokens) else tokens[:size]
        began = time.perf_counter()
        workload.subject.activations(part, 0, [0])
        found.append(time.perf_counter() - began)
    return found


def _resampled(seconds: list[float], n: int) -> list[float]:
    """Draw n of them, scaled to `SECONDS_A_SHARD` on average."""
    scale = SECONDS_A_SHARD * len(seconds) / sum(seconds)
    return [scale * value for value in random.Random(0).choices(seconds, k=n)]
