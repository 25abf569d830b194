"""Runs as files: written block by block, read back by this version and later ones."""

from benchmark.config.catalogue import DESCRIPTIVE
from benchmark.files.atomic import check_path, check_writable
from benchmark.files.explanation_size import explanation_bytes
from benchmark.results.environment import benchmark_version, collect_environment
from benchmark.results.lines import SavedExplanation, explanation_line
from benchmark.results.reader import Run, find_runs, load_run
from benchmark.results.records import (
    OVER_BOTH,
    OVER_NEURONS,
    SCHEMA_VERSION,
    CorpusRecord,
    EnvironmentRecord,
    ExplainerRecord,
    FileRecord,
    GitRecord,
    ImportedRecord,
    MetricSummary,
    NeuronsRecord,
    RunRecord,
    SimulatorRecord,
    SubjectRecord,
    TogetherRecord,
    UnitsRecord,
)
from benchmark.results.scores import FAILED, OK, Scores
from benchmark.results.writer import RunWriter

__all__ = [
    "DESCRIPTIVE",
    "FAILED",
    "OK",
    "OVER_BOTH",
    "OVER_NEURONS",
    "SCHEMA_VERSION",
    "CorpusRecord",
    "EnvironmentRecord",
    "ExplainerRecord",
    "FileRecord",
    "GitRecord",
    "ImportedRecord",
    "MetricSummary",
    "NeuronsRecord",
    "Run",
    "RunRecord",
    "RunWriter",
    "SavedExplanation",
    "Scores",
    "SimulatorRecord",
    "SubjectRecord",
    "TogetherRecord",
    "UnitsRecord",
    "benchmark_version",
    "check_path",
    "check_writable",
    "collect_environment",
    "explanation_bytes",
    "explanation_line",
    "find_runs",
    "load_run",
]
