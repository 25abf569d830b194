"""The simulated schedule against one that steps through time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.engine.schedule import Schedule, simulated

SECONDS = st.lists(st.integers(1, 9).map(float), min_size=1, max_size=30)


def stepped(seconds: list[float], workers: int) -> list[tuple[float, float]]:
    """The slow twin: second after second, who is free takes the next shard."""
    ends: list[float] = []
    spans: list[tuple[float, float]] = []
    now, waiting = 0.0, list(seconds)
    while waiting:
        while waiting and sum(end > now for end in ends) < workers:
            spans.append((now, now + waiting[0]))
            ends.append(now + waiting.pop(0))
        now += 1
    return spans


@given(SECONDS, st.integers(1, 6))
def test_it_is_what_stepping_through_time_yields(seconds: list[float], workers: int) -> None:
    schedule = simulated(seconds, workers)
    assert list(schedule.spans) == stepped(seconds, workers)

    moments = [i + 0.5 for i in range(int(schedule.seconds))]
    busy = [sum(start < at < end for start, end in schedule.spans) for at in moments]
    assert schedule.busy_share(0) == pytest.approx(sum(busy) / len(busy) / workers)
    enough = [at for at, count in zip(moments, busy, strict=True) if count >= 0.9 * workers]
    last = enough[-1] + 0.5 if enough else 0.0
    assert schedule.busy_until() == pytest.approx(last / schedule.seconds)


@given(SECONDS, st.integers(1, 6), st.floats(0.001, 2))
def test_a_driver_does_one_thing_at_a_time(
    seconds: list[float], workers: int, driver_seconds: float
) -> None:
    schedule = simulated(seconds, workers, driver_seconds)
    starts = [start for start, _ in schedule.spans]
    gaps = [later - sooner for sooner, later in pairwise(starts)]
    assert all(gap >= driver_seconds - 1e-9 for gap in [starts[0], *gaps])
    assert schedule.seconds >= simulated(seconds, workers).seconds - 1e-9


def test_a_slow_driver_leaves_workers_idle() -> None:
    assert simulated([1.0] * 1000, 100, 0.1).busy_share() == pytest.approx(0.1, abs=0.01)
    assert simulated([1.0] * 1000, 100, 0.0).busy_share() == pytest.approx(1.0)
    assert simulated([1.0] * 1000, 100, 0.0).busy_until() == 1.0


@pytest.mark.parametrize("workers", [64, 512])
def test_forty_shards_a_worker_keep_nine_in_ten_busy(workers: int) -> None:
    """At the most that a driver may cost, 5 ms a shard, and shards that differ by a third."""
    seconds = [20.0 + 7.0 * ((7 * i) % 11) / 10 for i in range(40 * workers)]
    schedule = simulated(seconds, workers, 0.005)
    assert schedule.busy_share() > 0.9
    assert schedule.busy_until() > 0.95


def test_nothing_is_a_schedule_too() -> None:
    nothing = simulated([], 3)
    assert (nothing.seconds, nothing.busy_share(), nothing.busy_until()) == (0.0, 0.0, 0.0)
    assert Schedule(3, [(0.0, 1.0)]).busy_until() == 0.0
