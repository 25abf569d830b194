"""The walk-through shows the example as it is installed and run by the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.conformance.suite import CHECKS, FIRST, LAST
from benchmark.results import load_run
from tests.command import Command, call, checkpoint, command, texts

__all__ = ["checkpoint", "command", "texts"]

PROJECT = Path(__file__).parents[1]
TEXT = (PROJECT / "docs" / "adding-an-explainer.md").read_text(encoding="utf-8")
EXAMPLE = PROJECT / "tests" / "third_party"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_code_and_entry_point_are_those_of_the_example() -> None:
    assert blocks("python") == [
        (EXAMPLE / name).read_text(encoding="utf-8")
        for name in ("example_explainer.py", "example_simulator.py", "example_readable.py")
    ]
    (entry_point,) = blocks("toml")
    assert entry_point in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")


def test_a_whole_explainer_is_under_25_lines() -> None:
    assert len(blocks("python")[0].splitlines()) < 25


def test_the_sentences_are_simulated_as_the_page_says(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    (line,) = re.findall(r"python -m benchmark run (.*simulator\._target_=.*)", TEXT)
    run = command.finished(*line.split(), "neurons.per_layer=2")
    assert run.record.simulator is not None
    assert run.record.simulator.options["contexts"] == 32
    assert run.record.neurons.coverage == 1
    rows = run.scores.rows()
    assert all(row["cost/usd"] == 0.0001 for row in rows)
    assert all(row["cost/simulated_tokens"] == 32 * 16 for row in rows)
    assert any(row["uniform/pearson"] != 0 for row in rows)
    trust = ("--trust", "example_simulator.Writer", "--trust", "example_simulator.Reader")
    assert call("score", str(run.folder), *trust).status == 0
    assert load_run(run.folder).scores.rows()[0]["uniform/pearson"] == rows[0]["uniform/pearson"]
    checked = call("check", *line.split(), "model=planted")
    assert checked.status == 0, checked.out + checked.err


def test_the_text_is_the_whole_explanation_as_the_page_says(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    word = "explainer._target_=example_readable.SpeltTokens"
    run = command.finished(word, "neurons.per_layer=2")
    for line, row in zip(run.explanations(), run.scores.rows(), strict=True):
        shown = line.explanation
        text = f"{shown['strength']} on ‹{shown['spelling']}›"
        assert (row["cost/characters"], row["cost/lines"]) == (len(text), 1)
    answer = call("leaderboard", str(run.folder), "--table", "tracks")
    assert "track readable: 300 characters" in answer.out
    checked = call("check", word, "model=planted")
    assert checked.status == 0, checked.out + checked.err
    assert "5 of 5 texts are complete" in " ".join(checked.out.split())


def test_what_the_check_printed_names_checks_that_there_are() -> None:
    shown = TEXT.partition("<!-- check -->")[2].partition("<!-- end of check -->")[0]
    named = re.findall(r"^     (\w[\w ]*?)  +(?:ok|not checked) ", shown, re.MULTILINE)
    assert named
    assert set(named) <= {FIRST, *CHECKS, LAST}


def test_the_contributing_guide_points_there() -> None:
    assert "docs/adding-an-explainer.md" in (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
