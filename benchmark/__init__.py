"""Benchmark of neuron simulators: what an explainer's author and a script may import.

Names are loaded on first use, so that `import benchmark` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.corpus import Corpus, load_corpus
    from benchmark.errors import BenchmarkError
    from benchmark.interface import (
        Costs,
        Evidence,
        Exemplars,
        Explained,
        Explainer,
        ExplainText,
        Explanation,
        Failure,
        NeedsTokenizer,
        Prediction,
        Program,
        Sample,
        SharedPrefixes,
        Simulator,
        Storage,
        SubjectModel,
    )
    from benchmark.plugins.base import BaseExplainer, BaseExplanation
    from benchmark.results import Run, find_runs, load_run
    from benchmark.subject import Subject, load_subject

__all__ = [
    "BaseExplainer",
    "BaseExplanation",
    "BenchmarkError",
    "Corpus",
    "Costs",
    "Evidence",
    "Exemplars",
    "ExplainText",
    "Explained",
    "Explainer",
    "Explanation",
    "Failure",
    "NeedsTokenizer",
    "Prediction",
    "Program",
    "Run",
    "Sample",
    "SharedPrefixes",
    "Simulator",
    "Storage",
    "Subject",
    "SubjectModel",
    "find_runs",
    "load_corpus",
    "load_run",
    "load_subject",
]

_MODULES = {
    "benchmark.corpus": ("Corpus", "load_corpus"),
    "benchmark.errors": ("BenchmarkError",),
    "benchmark.interface": (
        "Evidence",
        "Exemplars",
        "ExplainText",
        "Explainer",
        "Explanation",
        "Failure",
        "Sample",
        "SharedPrefixes",
        "Storage",
        "SubjectModel",
        "Costs",
        "Explained",
        "NeedsTokenizer",
        "Prediction",
        "Program",
        "Simulator",
    ),
    "benchmark.plugins.base": ("BaseExplainer", "BaseExplanation"),
    "benchmark.results": ("Run", "find_runs", "load_run"),
    "benchmark.subject": ("Subject", "load_subject"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'benchmark' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
