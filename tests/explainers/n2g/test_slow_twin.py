"""The waves over a block find what one exemplar after the other finds."""

from __future__ import annotations

import pytest

from explainers.n2g import N2G
from explainers.n2g.settings import Settings
from tests.perf.slow_n2g import slow_n2g
from tests.perf.workload import TinyWorkload


@pytest.mark.parametrize("options", [{}, {"cutoff": 2}, {"mask_token": 5, "combine": "mean"}])
@pytest.mark.parametrize("call_tokens", [1, 128])
def test_it_finds_the_same_paths(tmp_path, monkeypatch, options, call_tokens):
    # Calls that cost nothing make it worth its while to run what masked contexts share once.
    monkeypatch.setattr("benchmark.subject.stems.CPU_CALL_TOKENS", call_tokens)
    workload = TinyWorkload(tmp_path)
    for evidence in workload.evidence:
        explanations = N2G(augmenter="none", **options).explain(evidence, workload.subject)
        slow = slow_n2g(evidence, workload.subject, Settings(**options))
        assert slow == slow_n2g(evidence, workload.subject, Settings(**options), weak=False)
        for one, found in zip(explanations, slow, strict=True):
            assert {path.tokens: path.activation for path in one.paths} == pytest.approx(
                found, rel=1e-4
            )
