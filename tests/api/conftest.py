"""Small settings on the planted subject, with one cache for all tests of the Python interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import benchmark
from tests.command import checkpoint, texts

__all__ = ["cache", "checkpoint", "finished", "small", "texts"]

SMALL: dict[str, Any] = {
    "model": "planted",
    "dataset": {"name": "stdlib", "max_documents": 160},
    "context_length": 32,
    "contexts": {
        "explain": 128,
        "sample": 64,
        "exemplars": 8,
        "held_out": 48,
        "uniform": 16,
        "top": 4,
    },
    "bootstrap": {"resamples": 100},
    "device": "cpu",
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def small(tmp_path: Path, cache: Path) -> dict[str, Any]:
    """Settings of a run that takes a second."""
    return {**SMALL, "results_dir": tmp_path / "results", "cache_dir": cache}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> benchmark.Run:
    """A run on four neurons."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {**SMALL, "results_dir": folder, "cache_dir": cache}
    return benchmark.run("token_lookup", layers=0, per_layer=4, **settings)
