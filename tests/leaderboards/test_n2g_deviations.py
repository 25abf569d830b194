"""The table of what N2G's options do: its runs, its numbers and its place in the page."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from explainers.n2g.settings import AUTHORS, Settings
from leaderboards import n2g_deviations
from leaderboards.n2g_deviations import BEGIN, DEFAULT, END, PAGE, VARIANTS, Variant, update


def test_every_value_of_the_authors_has_a_row_and_all_together_one():
    written = {name: str(value).lower() for name, value in AUTHORS.items()}
    assert dict(n2g_deviations.AUTHORS) == written
    alone = [variant.options for variant in VARIANTS if len(variant.options) == 1]
    assert len(alone) == len(set(alone)) == len(VARIANTS) - 2
    assert {name for ((name, _),) in alone} <= {*vars(Settings()), "augmenter"}
    assert [variant.label for variant in VARIANTS if not variant.options] == [DEFAULT]


def test_the_page_names_every_option_that_differs():
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    for name in (*AUTHORS, "augmenter", "mask_token", "rescale", "pivot_threshold", "remeasure"):
        assert f"`{name}`" in text, name


def test_the_runs_are_made_once_and_their_table_replaces_the_old_one(small, tmp_path, monkeypatch):
    chosen = (Variant(DEFAULT), Variant("after=0", (("after", "0"),)))
    monkeypatch.setattr(n2g_deviations, "VARIANTS", chosen)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    options = [word for word in small.small if not word.startswith(("model=", "results_dir="))]
    text = update(tmp_path / "results", ["local"], options, page)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"
    folders = sorted((tmp_path / "results").rglob("run.json"))
    assert len(folders) == 2
    stamps = [folder.stat().st_mtime_ns for folder in folders]
    assert update(tmp_path / "results", ["local"], options, page) == text
    assert [folder.stat().st_mtime_ns for folder in folders] == stamps
    first = text.splitlines()[4].split(" | ")
    run = n2g_deviations.run_variant(chosen[0], tmp_path / "results", "local", options)
    assert first[1] == f"{np.mean(run.scores.column('uniform/pearson')):.3f}"


def test_a_page_without_marks_is_said_before_anything_is_run(tmp_path):
    page = tmp_path / "page.md"
    with pytest.raises(BenchmarkError, match="cannot be read"):
        update(tmp_path, ["solu-tiny"], [], page)
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="has no marks"):
        update(tmp_path, ["solu-tiny"], [], page)
    assert not list(tmp_path.rglob("run.json"))
