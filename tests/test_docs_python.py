"""The page about Python is executed as it stands, and shows what its code prints."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import types
from pathlib import Path

import pytest

import benchmark

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_page_runs_and_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # As in a notebook: a module without a file, in which everything is defined.
    page = types.ModuleType("the_page")
    monkeypatch.setitem(sys.modules, "the_page", page)
    assert {kind for kind, _ in BLOCKS} == {"python", "text"}
    for (kind, code), (following, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if kind != "python":
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, str(PAGE), "exec"), vars(page))
        assert out.getvalue() == (shown if following == "text" else ""), code


def test_the_page_names_the_surface() -> None:
    for name in ("run", "open_experiment", "load_subject", "load_corpus", "load_run", "load_runs"):
        assert name in benchmark.__all__
        assert f"benchmark.{name}(" in TEXT
