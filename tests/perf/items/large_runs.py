"""Looking at one neuron of a finished run, however many neurons the run has."""

from __future__ import annotations

from pathlib import Path

from benchmark.results import digests, load_run
from tests.large_run import LAYERS, write_large_run
from tests.perf.comparison import Comparison
from tests.perf.workload import Workload


def one_neuron(workload: Workload) -> Comparison:
    """Open a run of all neurons of a model and read one, against a run of 256 neurons."""
    per_layer = 16 * workload.sizes.neurons
    large = write_large_run(workload.folder / "large", layers=LAYERS, per_layer=per_layer)
    small = write_large_run(workload.folder / "small", layers=1, per_layer=256)

    def read(folder: Path) -> None:
        digests._known.clear()  # as in a process that has read nothing yet
        run = load_run(folder)
        run.explanation(*run.scores.neurons()[-1])

    return Comparison(lambda: read(large.folder), lambda: read(small.folder))
