"""A driver in a process of its own: `python -m tests.engine.script ENGINE FOLDER SECONDS`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmark.engine import Engine, make_engine, run_shards
from benchmark.engine.jobs import JobsEngine
from benchmark.engine.options import SubmititOptions
from tests.engine import toys


def main() -> None:
    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    engine: Engine
    if name == "submitit":
        options = SubmititOptions(workers=2, cluster="local", timeout_min=5)
        engine = JobsEngine(options, folder / "queues", patience=1.5)
    else:
        engine = make_engine({"name": name, "workers": 2}, folder / "queues", device="cpu")
    with engine:
        shards = toys.shards(12)
        run_shards(engine, toys.work(folder, seconds=seconds), shards, "toying", "neurons")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
