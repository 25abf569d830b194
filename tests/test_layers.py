"""Packages import one way: metrics, then benchmark, then explainers and leaderboards beside it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"benchmark", "explainers", "metrics", "leaderboards", "configs", "tests"}
MAY_IMPORT = {
    "metrics": set(),
    "benchmark": {"metrics", "configs"},
    "explainers": {"benchmark", "metrics"},
    "leaderboards": {"benchmark", "metrics"},
}


def imported(path: Path) -> set[str]:
    """Our packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found & OURS


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        allowed = MAY_IMPORT[package] | {package}
        if path.parent == ROOT / "benchmark" / "cli":
            allowed = allowed | {"leaderboards"}
        assert imported(path) <= allowed, path
