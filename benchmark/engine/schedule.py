"""Simulated schedule: when workers would be busy, given what shards and their driver cost."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 0.9  # of the workers busy
LAST = 0.05  # of the whole time, in which workers run out of shards


@dataclass(frozen=True)
class Schedule:
    """When each shard would run.

    Attributes:
        workers: how many there are.
        spans: start and end of each shard, in seconds from the first hand-out, in the order of the
            shards.
    """

    workers: int
    spans: Sequence[tuple[float, float]]

    @property
    def seconds(self) -> float:
        """Return when the last shard ends."""
        return max((end for _, end in self.spans), default=0.0)

    def busy_share(self, last: float = LAST) -> float:
        """Return the share of the workers that are busy, averaged up to the last part of the time.

        Args:
            last: the part of the whole time at its end that does not count.
        """
        until = self.seconds * (1 - last)
        busy = sum(max(0.0, min(end, until) - start) for start, end in self.spans)
        return busy / (until * self.workers) if until else 0.0

    def busy_until(self, enough: float = ENOUGH) -> float:
        """Return the part of the time after which fewer workers than `enough` are busy for good."""
        needed = math.ceil(enough * self.workers)
        starts = [(start, 1) for start, _ in self.spans]
        busy, until = 0, 0.0
        for moment, change in sorted(starts + [(end, -1) for _, end in self.spans]):
            if busy >= needed:
                until = moment
            busy += change
        return until / self.seconds if self.spans else 0.0


def simulated(seconds: Sequence[float], workers: int, driver_seconds: float = 0.0) -> Schedule:
    """Return the schedule of shards that are handed out one after another to whoever is free.

    Args:
        seconds: what each shard takes a worker, in the order in which they are handed out.
        workers: how many there are.
        driver_seconds: what one shard costs the driver, which does one thing at a time.
    """
    free = [0.0] * workers
    driver = 0.0
    spans = []
    for taken in seconds:
        driver = max(driver, heapq.heappop(free)) + driver_seconds
        heapq.heappush(free, driver + taken)
        spans.append((driver, driver + taken))
    return Schedule(workers, spans)
