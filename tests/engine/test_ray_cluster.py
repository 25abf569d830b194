"""A Ray cluster of two machines, of which one is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.engine import make_engine, run_shards
from benchmark.engine.options import RayOptions
from benchmark.errors import BenchmarkError
from tests.engine import toys

ray = pytest.importorskip("ray", reason="ray is not installed")


# Notice within a second that a machine is gone; by default it takes fifteen.
SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 200,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    handler = signal.getsignal(signal.SIGTERM)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": SOON})
    made.add_node(num_cpus=1)
    yield made
    ray.shutdown()
    made.shutdown()
    signal.signal(signal.SIGTERM, handler)  # that of the machines would stay


def test_a_machine_that_is_lost_costs_its_shards_once_more(cluster: Any, tmp_path: Path) -> None:
    lost = next(iter(cluster.worker_nodes))

    def remove() -> None:
        while len(toys.lines(tmp_path)) < 7:
            time.sleep(0.01)
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=remove)
    thread.start()
    engine = make_engine({"name": "ray", "address": cluster.address}, tmp_path)
    with engine:
        assert engine.workers == 2
        work = toys.work(tmp_path, seconds=0.4)
        report = run_shards(engine, work, toys.shards(30), "toying", "neurons")
        thread.join()
    assert toys.written(tmp_path) == toys.expected(30)
    assert report.failed == []
    assert report.repeated == 1


def test_a_task_that_no_machine_has_room_for_is_a_sentence(cluster: Any, tmp_path: Path) -> None:
    from benchmark.engine.ray_tasks import RayEngine

    options = RayOptions(address=cluster.address, num_cpus=64, workers=1)
    with (
        pytest.raises(BenchmarkError, match=r"no machine of the Ray cluster has 64 CPU for a task"),
        RayEngine(options, patience=1.5) as engine,
    ):
        run_shards(engine, toys.work(tmp_path), toys.shards(1), "toying", "neurons")


def test_a_cluster_that_is_not_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    ray.shutdown()
    monkeypatch.setattr(ray, "init", init)
    with (
        pytest.raises(BenchmarkError, match=r"engine\.address=auto: Ray cannot be reached"),
        make_engine({"name": "ray", "address": "auto"}, tmp_path),
    ):
        pass
