"""Tables are drawn whole and as they are, whatever is in them and wherever they go."""

from __future__ import annotations

import re

import pytest

from benchmark.analysis.labels import labels
from benchmark.results import CorpusRecord, ExplainerRecord, RunRecord, SubjectRecord
from benchmark.terminal import table
from benchmark.terminal.table import print_rows
from leaderboards.cells import score_table


def record(name: str, run_id: str = "r", subject: str = "small", **options: object) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        subject=SubjectRecord(name=subject, fingerprint=subject),
        corpus=CorpusRecord(name="texts", fingerprint="c"),
        explainer=ExplainerRecord(name=name, options=options),
    )


def first_cells(records: list[RunRecord]) -> list[str]:
    return [row[0] for row in score_table(records)[1]]


def test_explainers_that_differ_are_called_by_their_names() -> None:
    records = [record("tree", kb=4), record("n2g", kb=5), record("mean")]
    assert first_cells(records) == ["tree", "n2g", "mean"]


def test_runs_of_one_explainer_are_called_as_on_a_leaderboard() -> None:
    records = [record("tree", "a", kb=4), record("tree", "b", kb=64), record("mean")]
    assert first_cells(records) == labels(records) == ["tree (kb=4)", "tree (kb=64)", "mean"]
    records = [record("tree", "a"), record("tree", "b")]
    assert first_cells(records) == labels(records) == ["tree (a)", "tree (b)"]


def test_one_explainer_on_several_subjects_is_told_apart_by_the_subject_alone() -> None:
    records = [
        record("tree", subject="small", kb=4),
        record("tree", subject="large", kb=8),
        record("mean", "a", subject="large"),
        record("mean", "b", subject="large"),
    ]
    columns, rows = score_table(records)
    assert columns[:2] == ["explainer", "subject"]
    assert [row[:2] for row in rows] == [
        ["tree", "small"],
        ["tree", "large"],
        ["mean (a)", "large"],
        ["mean (b)", "large"],
    ]


def test_nothing_is_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    long = "/".join(["folder"] * 60)
    print_rows(["what", "how much"], [["a path", long], ["number", "1"]], text_columns=2)
    out = capsys.readouterr().out
    assert long in out
    assert "a path" in out
    assert "…" not in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_cells_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["[bold]", "[0.1, 0.2]", ":smile:", "[/red]"]
    print_rows(["a", "b", "c", "d"], [cells])
    out = capsys.readouterr().out
    assert all(cell in out for cell in cells)


def test_numbers_stand_under_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["name", "kind", "n"], [["a", "x", "1"], ["b", "y", "100"]], text_columns=2)
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[0].split() == ["name", "kind", "n"]
    assert lines[-2].endswith("  1")
    assert lines[-1].endswith("100")
    assert len(lines[-1]) == len(lines[-2])


COLUMNS = ["name", "long text", "a", "b", "c"]
ROWS = [["first", "many words " * 8, "1.000", "2.000", "3.000"], ["second", "few", "4", "5", "6"]]


@pytest.mark.parametrize("width", [200, 100, 60, 45, 30])
def test_a_table_fits_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "terminal_width", lambda: width)
    print_rows(COLUMNS, ROWS, text_columns=2, least=["b"])
    out = capsys.readouterr().out
    assert all(len(line) <= width for line in out.splitlines())
    whole = width >= 60
    assert ("3.000" in out) == whole or width == 45
    assert ("2.000" in out) == whole
    assert ("not shown in this width: " in out) == (not whole)
    # What is left is whole: text is folded, and no number is cut.
    assert out.count("many") == 8 or "long text" not in out.split("not shown")[0]
    assert "…" not in out


def test_without_a_terminal_or_with_wide_a_table_is_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_rows(COLUMNS, ROWS, text_columns=2)
    piped = capsys.readouterr().out
    assert "many words " * 7 in piped
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    table.show_whole(True)
    print_rows(COLUMNS, ROWS, text_columns=2)
    lines = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out).splitlines()
    assert [line.rstrip() for line in lines] == piped.splitlines()
    table.show_whole(False)
    print_rows(COLUMNS, ROWS, text_columns=2)
    narrow = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    assert max(map(len, narrow.splitlines())) <= 40


def test_paragraphs_are_filled_to_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{'word ' * 19}end\nof it.\nanother line\n\n  indented\n"
    table.say(text)
    assert capsys.readouterr().out == text
    monkeypatch.setattr(table, "terminal_width", lambda: 50)
    table.say(text)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[-3:] == ["another line", "", "  indented"]
    assert " ".join(lines[:-3]).endswith("word end of it.")
