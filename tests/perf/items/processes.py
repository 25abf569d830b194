"""A run in two processes of one thread each against the same run in this one with two threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.perf.comparison import Comparison
from tests.perf.workload import Workload


def two_processes(workload: Workload) -> Comparison:
    """The same command with an empty cache, each time in a process of its own."""

    def run(*engine: str) -> None:
        with TemporaryDirectory(dir=workload.folder) as folder:
            places = (f"results_dir={folder}/results", f"cache_dir={folder}/cache")
            words = ["run", *workload.overrides, *places, *engine, "device=cpu"]
            done = subprocess.run(
                [sys.executable, "-m", "benchmark", *words],
                cwd=Path(__file__).parents[3],
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")

    return Comparison(
        measured=lambda: run("engine=processes", "engine.workers=2"),
        baseline=lambda: run(),
    )
