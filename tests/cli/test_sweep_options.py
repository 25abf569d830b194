"""An option of several explainers in one sweep, which the default explainer need not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.config.run_config import RunConfig
from tests.command import call

KINDS = ("exemplars", "exemplars+sample")


def planned(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> list[RunConfig]:
    configs: list[RunConfig] = []
    monkeypatch.setattr("benchmark.cli.plan.print_plan", configs.append)
    monkeypatch.chdir(folder)
    answer = call("run", "-m", "--dry-run", *words)
    assert (answer.status, answer.err) == (0, "")
    return configs


def test_one_value_goes_to_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ("explainer=context_tree,token_lookup", "explainer.evidence=exemplars")
    configs = planned(monkeypatch, tmp_path, *words)
    found = [(config.explainer["name"], config.explainer["evidence"]) for config in configs]
    assert found == [("context_tree", "exemplars"), ("token_lookup", "exemplars")]


def test_several_values_go_to_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ("explainer=context_tree,token_lookup", f"explainer.evidence={','.join(KINDS)}")
    configs = planned(monkeypatch, tmp_path, *words)
    found = {(config.explainer["name"], config.explainer["evidence"]) for config in configs}
    assert found == {(name, kind) for name in ("context_tree", "token_lookup") for kind in KINDS}
