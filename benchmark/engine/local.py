"""Engine `local`: shards run in this process, one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import TracebackType

from benchmark.engine.work import Answer, Done, Shard, Work
from benchmark.engine.worker import Do, opened, worker_name


class LocalEngine:
    """Runs shards here, in their order; an exception comes out as it is."""

    workers = 1

    def __init__(self) -> None:
        self._opened: tuple[Work, Do] | None = None

    def __enter__(self) -> LocalEngine:
        """Return the engine; there is nothing to start."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: there is nothing to end."""

    def map(self, work: Work, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Answer]]:
        """Yield each shard when it is done.

        Raises:
            Exception: whatever a shard raises.
        """
        for shard in shards:
            do = work.here or self._open(work)
            start = time.perf_counter()
            do(shard.task)
            yield shard, Done(time.perf_counter() - start, worker_name())

    def _open(self, work: Work) -> Do:
        if self._opened is None or self._opened[0] != work:
            self._opened = None  # the memory of the last work goes first
            self._opened = work, opened(work.opens, work.setting)
        return self._opened[1]
