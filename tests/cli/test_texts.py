"""Complete texts on a terminal: first of all, with what each line does beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import tests.lined
from benchmark.cli import texts as module
from benchmark.cli.texts import HEADINGS, WHOLE
from benchmark.evaluation.reopen import ReopenedRun
from benchmark.results import Run
from benchmark.terminal import table
from tests.command import Command, call

TARGET = "tests.lined.LinedTokens"
TRUST = ("--trust", TARGET)
QUIET = ("--no-contexts", "--no-direct")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("texts"), checkpoint, texts)


@pytest.fixture(scope="module")
def run(shared: Command) -> Run:
    for words in ("explainer=token_lookup", "explainer=n2g", "explainer=mean"):
        shared.finished(words)
    return shared.finished(f"explainer._target_={TARGET}")


def explained(run: Run, at: int = 0) -> tuple[str, Any]:
    """The name of a neuron, and its explanation."""
    saved = run.explanation(*run.scores.neurons()[at])
    return saved.name, ReopenedRun(run, [TARGET]).explanation(saved)


def shown(run: Run, name: str) -> list[str]:
    answer = call("show", str(run.folder), name, *QUIET, *TRUST)
    assert answer.status == 0, answer.err
    assert answer.err == ""
    return answer.out.splitlines()


def test_each_line_stands_behind_what_it_does(run: Run) -> None:
    name, explanation = explained(run)
    heading, blank, columns, *rows = shown(run, name)
    assert heading == f"neuron {name} of small, explained by LinedTokens"
    assert blank == ""
    assert re.split("  +", columns.strip()) == list(HEADINGS)
    lines = explanation.lines()
    assert len(lines) > 2
    for line, row in zip(lines, rows, strict=False):
        variance, precision, matches = (row[: len(columns)]).replace(" %", "%").split()
        assert row[len(columns) :] == f"  {line.text}"
        if line.variance is None:
            assert (variance, precision, matches) == ("-", "-", "-")
        else:
            assert variance == f"{100 * line.variance:.1f}%"
            assert precision == f"{100 * line.precision:.1f}%"
            assert matches == f"{line.matches:.2f}"
    text = explanation.describe()
    legend = " ".join(rows[len(lines) :])
    assert f"{WHOLE}: {len(lines)} lines, {len(text)} characters. variance: " in legend
    assert legend.count("precision: of the tokens on which it says something") == 1


def test_long_lines_are_broken_to_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    name, explanation = explained(run)
    for width in (48, 72):
        for place in (table, module):
            monkeypatch.setattr(place, "terminal_width", lambda width=width: width)
        rows = shown(run, name)
        end = next(at for at, row in enumerate(rows) if at > 2 and not row)
        assert max(map(len, rows[:end])) <= width
        begin = len(rows[2])
        parts = [row[begin + 2 :] for row in rows[3:end]]
        assert all(not row[:begin].strip() for row in rows[3:end] if row[begin + 2 :][0] == " ")
        # Nothing is lost: parts that go on are indented by two.
        text = "".join(part[2:] if part.startswith("  ") else f"\n{part}" for part in parts)
        assert text[1:] == explanation.describe()


def test_breaks_keep_every_letter() -> None:
    line = "85 [was|were|is]…‹·" + "x" * 30 + "|文字文字文字文字文字文字|b c›"
    for room in (10, 20, 33, 200):
        first, *others = module._broken(line, room)
        assert all(part.startswith("  ") for part in others)
        assert first + "".join(part[2:] for part in others) == line
        assert all(len(part.rstrip()) <= room for part in (first, *others))
    assert others == []


def test_what_lines_do_is_left_out_where_they_are_not_the_texts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, explanation = explained(run)
    fewer = explanation.lines()[1:]
    for wrong, says in (
        (lambda self: fewer, "offers lines that are not those of its text"),
        (lambda self: 1 / 0, "cannot say what its lines do: ZeroDivisionError"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(tests.lined.Lined, "lines", wrong)
            answer = call("show", str(run.folder), name, *QUIET, *TRUST)
        assert answer.status == 0
        assert answer.err.startswith("without what each line does: tests.lined.Lined")
        assert says in answer.err
        assert f"\n{explanation.describe()}\n\n{WHOLE}: " in answer.out
        assert "precision: of" not in answer.out


def test_a_text_that_is_not_complete_does_not_say_so(shared: Command, run: Run) -> None:
    name, _ = explained(run)
    lookup = next(folder for folder in shared.folders() if "token_lookup" in folder.parts)
    answer = call("show", str(lookup), name, *QUIET)
    assert WHOLE not in answer.out
    assert WHOLE in call("show", str(lookup.parents[1] / "n2g"), name, *QUIET).out


def test_of_several_explanations_complete_texts_come_first(
    shared: Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shared.folder)
    for at, (layer, neuron) in enumerate(run.scores.neurons()):
        name, explanation = explained(run, at)
        answer = call("show", "results", name, *TRUST)
        assert answer.status == 0, answer.err
        text, _, listed = answer.out.partition(f"4 explanations of neuron {layer}.{neuron}")
        rows = [line.split() for line in listed.splitlines() if "results/" in line][:4]
        by_name = {row[0]: row for row in rows}
        assert [row[0] for row in rows][2:] == ["token_lookup", "mean"]
        complete = sorted(("n2g", "LinedTokens"), key=lambda one: -float(by_name[one][-2]))
        assert [row[0] for row in rows][:2] == complete
        assert by_name["token_lookup"][-1] == "-"
        assert by_name["LinedTokens"][-1] == str(len(explanation.describe()))
        assert text.startswith(f"neuron {name} of small, explained by {complete[0]}\n")
        assert answer.out.endswith(f"show {rows[0][3]} {name}\n")
    assert {"n2g", "LinedTokens"} == set(complete)


def test_a_text_that_cannot_be_read_here_is_named_and_the_next_one_shown(
    shared: Command, run: Run
) -> None:
    for at in range(len(run.scores)):
        name, _ = explained(run, at)
        answer = call("show", str(shared.folder / "results"), name)
        assert answer.status == 0
        assert answer.out.startswith(f"neuron {name} of small, explained by n2g\n")
        assert answer.err == "" or f"names the class '{TARGET}'" in answer.err
        if answer.err:
            return
    raise AssertionError("the toy was nowhere the best")
