"""The small subject, corpus and command line of `tests.command`, and a run to submit."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.results import Run
from tests.command import Command, checkpoint, texts

__all__ = ["checkpoint", "texts"]


@pytest.fixture(scope="session")
def small(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Path,
    texts: Path,
) -> Command:
    """The command line with results and cache that tests here share."""
    return Command(tmp_path_factory.mktemp("leaderboards"), checkpoint, texts)


@pytest.fixture(scope="session")
def finished(small: Command) -> Run:
    """A finished run of twelve neurons; tests copy it."""
    return small.finished("explainer=token_lookup", "metrics=all")
