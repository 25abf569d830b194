"""Engines with workers, and what every one of them is asked to do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.engine import Engine, make_engine
from benchmark.engine.options import SubmititOptions

WITH_WORKERS = ("processes", "submitit", "ray")
# How long jobs wait for a driver that shows no life.
PATIENCE = 3.0


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    """Ray on this machine with room for two tasks, started once for a module."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    signal.signal(signal.SIGTERM, handler)  # Ray's own would stay


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Engine]:
    """Return an engine of a name and a number of workers."""

    def made(name: str, workers: int = 2) -> Engine:
        config: dict[str, Any] = {"name": name, "workers": workers}
        if name == "submitit":
            pytest.importorskip("submitit", reason="submitit is not installed")
            from benchmark.engine.jobs import JobsEngine

            options = SubmititOptions(workers=workers, cluster="local", timeout_min=5)
            return JobsEngine(options, tmp_path / "queues", patience=PATIENCE)
        if name == "ray":
            request.getfixturevalue("ray_here")
        if name == "local":
            del config["workers"]
        return make_engine(config, tmp_path / "queues", device="cpu")

    return made
