"""Python interface: the functions that users call, and that the command line calls as well.

Names of `benchmark.__all__` are imported from `benchmark`.
"""

from benchmark.api.experiment import Experiment, open_experiment
from benchmark.api.loading import load_corpus, load_subject
from benchmark.api.running import run, run_config
from benchmark.api.runs import NeuronExplanation, Run, load_run, load_runs
from benchmark.api.tables import ScoreTable

__all__ = [
    "Experiment",
    "NeuronExplanation",
    "Run",
    "ScoreTable",
    "load_corpus",
    "load_run",
    "load_runs",
    "load_subject",
    "open_experiment",
    "run",
    "run_config",
]
