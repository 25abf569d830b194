"""`leaderboard` on runs on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import call
from tests.leaderboards.made_up import NEURONS, made_up_run, saved


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, a copy of one, and one that cannot be read."""
    results = tmp_path_factory.mktemp("results")
    saved(made_up_run("better", 0.2), results / "better")
    saved(made_up_run("worse"), results / "worse")
    saved(made_up_run("few", neurons=NEURONS[:5]), results / "few")
    saved(made_up_run("better", 0.2), results / "copy")
    later = saved(made_up_run("later"), results / "later").folder / "run.json"
    later.write_text(json.dumps({**json.loads(later.read_text()), "schema_version": 99}))
    return results


def test_it_prints_markdown_of_all_runs_below_a_folder(folder: Path) -> None:
    answer = call("leaderboard", str(folder))
    assert answer.status == 0, answer.err
    assert answer.out.startswith("# Leaderboards\n")
    assert (
        answer.out.count("| better ") == answer.out.replace("better", "worse").count("| worse ") / 2
    )
    assert "written with schema version 99" in answer.out
    assert "it is of other neurons" in answer.out


@pytest.mark.parametrize("form", ["md", "csv", "json", "html", "latex"])
def test_every_format_can_be_printed_and_written(folder: Path, tmp_path: Path, form: str) -> None:
    printed = call("leaderboard", "--format", form, str(folder))
    target = tmp_path / "deep" / "table"
    written = call("leaderboard", str(folder), f"--format={form}", "-o", str(target))
    assert (printed.status, written.status) == (0, 0)
    assert written.out == f"written: {target}\n"
    assert target.read_text(encoding="utf-8") == printed.out
    assert "better" in printed.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "pdf"], "format 'pdf' is not known. known: csv, html, json, latex, md."),
        (["--table", "layer"], "table 'layer' is not known; did you mean 'layers'?"),
        (["--metrics", "f2"], "metric 'f2' is not known"),
        (["--rank-by", "recall"], "metric 'recall' cannot be a ranking key"),
        (["--nonsense"], "option of leaderboard '--nonsense' is not known. known: "),
        (["--format"], "--format needs a value; see leaderboard --help."),
    ],
)
def test_bad_input_ends_in_one_message(folder: Path, words: list[str], message: str) -> None:
    assert call("leaderboard", str(folder), *words).message.startswith(message)


def test_folders_that_hold_nothing_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert f"'{missing}' does not exist" in call("leaderboard", str(missing)).message
    message = call("leaderboard", str(tmp_path)).message
    assert message.startswith(f"there is no finished run in '{tmp_path}'")


def test_the_tables_of_a_folder_are_rebuilt_by_one_command_and_checked(tmp_path: Path) -> None:
    published = tmp_path / "published"
    saved(made_up_run("better", 0.2), published / "better")
    message = call("leaderboard", str(published), "--check").message
    assert "README.md, leaderboard.csv, layers.csv, subjects.csv, leaderboard.json" in message
    assert "--rebuild" in message
    assert call("leaderboard", str(published), "--rebuild").status == 0
    assert call("leaderboard", str(published), "--check").status == 0
    saved(made_up_run("worse"), published / "worse")
    assert (
        "is not what the runs there give" in call("leaderboard", str(published), "--check").message
    )
    assert call("leaderboard", str(published), "--rebuild").status == 0
    table = published / "leaderboard.csv"
    table.write_text(table.read_text().replace("better", "best"))
    assert call("leaderboard", str(published), "--check").message.startswith("leaderboard.csv in")


def test_a_submission_that_cannot_be_read_stops_the_check(tmp_path: Path) -> None:
    run = saved(made_up_run("better"), tmp_path / "published" / "better")
    (run.folder / "scores.parquet").write_bytes(b"damaged")
    message = call("leaderboard", str(tmp_path / "published"), "--rebuild").message
    assert "cannot be read" in message
    assert not (tmp_path / "published" / "README.md").exists()
    assert "take one folder" in call("leaderboard", "a", "b", "--check").message
