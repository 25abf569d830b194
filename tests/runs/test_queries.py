"""What built-in explainers may ask the subject, an explainer of a third party may ask as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.command import Command

TARGET = "explainer._target_=tests.runs.queries."


def test_a_third_party_queries_all_and_prefixes_show_in_the_cost_column(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.subject.prefix_cache.CPU_CALL_TOKENS", 1)
    shared = command.finished(f"{TARGET}Substitution")
    whole = command.finished(f"{TARGET}WithoutPrefixes")
    assert set(shared.scores.column("status")) == {"ok"}
    for one, other in zip(shared.explanations(), whole.explanations(), strict=True):
        assert one.explanation is not None
        assert other.explanation is not None
        np.testing.assert_allclose(
            one.explanation["remaining"], other.explanation["remaining"], atol=2e-4
        )
    tokens = [run.scores.column("cost/subject_tokens").mean() for run in (shared, whole)]
    assert tokens[0] < 0.8 * tokens[1]


def test_it_needs_nothing_that_is_not_exported() -> None:
    source = Path(__file__).with_name("queries.py").read_text(encoding="utf-8")
    assert "from benchmark" not in source
    assert "import benchmark\n" in source
