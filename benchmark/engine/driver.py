"""Driver of a piece of work: one bar, a second try for shards that died, a report at the end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmark.engine.work import Answer, Died, Done, Engine, Refused, Shard, Work
from benchmark.errors import BenchmarkError
from benchmark.terminal.progress import progress
from benchmark.token_text import one_line

TRIES = 2


@dataclass
class Report:
    """What became of the shards.

    Attributes:
        workers: how many there were.
        seconds: what each finished shard took in its worker, by the shard's name.
        repeated: how many shards were handed out once more because they died.
        failed: shards that died twice, each with the reason of the second time.
    """

    workers: int
    seconds: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    failed: list[tuple[Shard, str]] = field(default_factory=list)


def run_shards(
    engine: Engine,
    work: Work,
    shards: Sequence[Shard],
    description: str,
    unit: str,
    taken: Callable[[Shard], object] = lambda _: None,
) -> Report:
    """Have an engine run shards, those that die once more, under one progress bar.

    Args:
        engine: who runs them, already entered.
        work: what its workers open.
        shards: each with a name of its own.
        description: what the bar says, such as `explaining`.
        unit: what the sizes of shards count, such as `neurons`.
        taken: called with each shard that is done, as soon as it is.

    Returns:
        The report; a shard is finished or in `failed`.

    Raises:
        BenchmarkError: what a worker refused; or a shard died twice of the run's surroundings.
    """
    assert len({shard.name for shard in shards}) == len(shards)
    report = Report(engine.workers)
    workers = f", {engine.workers} workers" if engine.workers > 1 else ""
    with progress(sum(shard.size for shard in shards), f"{description}{workers}", unit) as bar:
        waiting = list(shards)
        for attempt in range(1, TRIES + 1):
            died: list[Shard] = []
            for shard, answer in _answers(engine, work, waiting):
                if isinstance(answer, Refused):
                    raise answer.error
                if isinstance(answer, Done):
                    report.seconds[shard.name] = answer.seconds
                    taken(shard)
                elif attempt < TRIES:
                    died.append(shard)
                    bar.write(f"{_said(shard, answer)}; it is run once more", file=sys.stderr)
                    continue
                elif answer.surroundings:
                    raise BenchmarkError(f"{_said(shard, answer)}, twice; repeat the same command.")
                else:
                    report.failed.append((shard, answer.reason))
                    bar.write(f"{_said(shard, answer)} again: it has failed", file=sys.stderr)
                bar.update(shard.size)
            waiting = died
            report.repeated += len(died)
            if not waiting:
                break
    return report


def _answers(engine: Engine, work: Work, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Answer]]:
    """Yield what an engine yields, and let it stop at once where nobody listens any more."""
    answers = engine.map(work, shards)
    try:
        yield from answers
    finally:
        if close := getattr(answers, "close", None):
            with contextlib.suppress(RuntimeError):
                close()


def _said(shard: Shard, answer: Died) -> str:
    return one_line(f"shard '{shard.name}' died ({answer.reason})")
