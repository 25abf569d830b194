"""Benchmark of neuron simulators: what a program and an explainer's author import.

`__all__` is the whole surface. Names are loaded on first use, so that `import benchmark` stays
light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.api import (
        Experiment,
        NeuronExplanation,
        Run,
        ScoreTable,
        load_corpus,
        load_run,
        load_runs,
        load_subject,
        open_experiment,
        run,
    )
    from benchmark.column import Column
    from benchmark.corpus import Corpus
    from benchmark.errors import BenchmarkError
    from benchmark.evidence import Truth
    from benchmark.interface import (
        CompleteText,
        Costs,
        Evidence,
        Exemplars,
        Explained,
        Explainer,
        ExplainText,
        Explanation,
        Failure,
        LabelReply,
        LabelRequest,
        LanguageModel,
        Message,
        NeedsLanguageModel,
        NeedsTokenizer,
        OffersLines,
        Prediction,
        PredictsSomeSets,
        Program,
        ReadsTokenIds,
        Reply,
        Request,
        Sample,
        ScoredBlock,
        Scorer,
        SharedPrefixes,
        Simulator,
        Storage,
        SubjectModel,
        TextLine,
        Usage,
    )
    from benchmark.plugins.base import BaseExplainer, BaseExplanation
    from benchmark.results import find_runs
    from benchmark.subject import Subject
    from benchmark.vocabulary import Vocabulary

__all__ = [
    "BaseExplainer",
    "BaseExplanation",
    "BenchmarkError",
    "Column",
    "CompleteText",
    "Corpus",
    "Costs",
    "Evidence",
    "Exemplars",
    "Experiment",
    "ExplainText",
    "Explained",
    "Explainer",
    "Explanation",
    "Failure",
    "LabelReply",
    "LabelRequest",
    "LanguageModel",
    "Message",
    "NeedsLanguageModel",
    "NeedsTokenizer",
    "NeuronExplanation",
    "OffersLines",
    "Prediction",
    "PredictsSomeSets",
    "Program",
    "ReadsTokenIds",
    "Reply",
    "Request",
    "Run",
    "Sample",
    "ScoreTable",
    "ScoredBlock",
    "Scorer",
    "SharedPrefixes",
    "Simulator",
    "Storage",
    "Subject",
    "SubjectModel",
    "TextLine",
    "Truth",
    "Usage",
    "Vocabulary",
    "find_runs",
    "load_corpus",
    "load_run",
    "load_runs",
    "load_subject",
    "open_experiment",
    "run",
]

_MODULES = {
    "benchmark.api": (
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
    ),
    "benchmark.column": ("Column",),
    "benchmark.corpus": ("Corpus",),
    "benchmark.errors": ("BenchmarkError",),
    "benchmark.evidence": ("Truth",),
    "benchmark.interface": (
        "Evidence",
        "Exemplars",
        "ExplainText",
        "Explainer",
        "Explanation",
        "Failure",
        "Sample",
        "ScoredBlock",
        "Scorer",
        "SharedPrefixes",
        "Storage",
        "SubjectModel",
        "CompleteText",
        "Costs",
        "Explained",
        "NeedsTokenizer",
        "OffersLines",
        "TextLine",
        "Prediction",
        "PredictsSomeSets",
        "Program",
        "Simulator",
        "LabelReply",
        "LabelRequest",
        "LanguageModel",
        "Message",
        "NeedsLanguageModel",
        "Reply",
        "Request",
        "Usage",
        "ReadsTokenIds",
    ),
    "benchmark.plugins.base": ("BaseExplainer", "BaseExplanation"),
    "benchmark.results": ("find_runs",),
    "benchmark.subject": ("Subject",),
    "benchmark.vocabulary": ("Vocabulary",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'benchmark' has no attribute '{name}'")
    from benchmark.plugins.own_packages import find_own_packages

    find_own_packages()  # a notebook looks into its own folder first, which may hold a metrics.py
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
