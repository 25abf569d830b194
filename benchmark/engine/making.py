"""Engine that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.engine.local import LocalEngine
from benchmark.engine.machine import cores, cuda_devices
from benchmark.engine.options import (
    ProcessesOptions,
    RayOptions,
    SubmititOptions,
    engine_options,
)
from benchmark.engine.processes import ProcessesEngine
from benchmark.engine.work import Engine


def make_engine(config: Mapping[str, Any], folder: Path, *, device: str | None = None) -> Engine:
    """Return the engine of the configuration group `engine`; it starts when it is entered.

    Args:
        config: `name` and the options.
        folder: where `submitit` keeps the queue of its jobs; all machines see it. It is made when
            it is needed.
        device: as in the configuration: `cpu` leaves CUDA devices alone, None takes them if there
            are any.

    Raises:
        BenchmarkError: an option is wrong, or the extra that the engine needs is not installed.
    """
    options = engine_options(config)
    if isinstance(options, ProcessesOptions):
        devices = [] if device == "cpu" else cuda_devices()
        return ProcessesEngine(options.workers or len(devices) or cores(), devices)
    if isinstance(options, SubmititOptions):
        from benchmark.engine.jobs import JobsEngine

        return JobsEngine(options, folder)
    if isinstance(options, RayOptions):
        from benchmark.engine.ray_tasks import RayEngine

        return RayEngine(options, gpus=device != "cpu")
    return LocalEngine()
