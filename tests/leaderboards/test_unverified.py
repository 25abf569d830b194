"""Submissions that nobody could verify: marked in every table and format, never ranked."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmark.analysis.compare import compare_runs
from benchmark.results import Run, load_run
from benchmark.results.submission import why_unverified
from leaderboards.boards import build
from leaderboards.formats import FORMATS, render
from leaderboards.page import page_of
from leaderboards.plots.gallery import plots_of
from leaderboards.resimulation import Resimulation
from leaderboards.result_folders import Results, read_results
from leaderboards.submission import (
    base_name,
    place,
    published_record,
    submission_files,
    without_folders,
)
from leaderboards.submissions_folder import check_submissions, stale
from tests.command import Command, call
from tests.leaderboards.made_up import made_up_run
from tests.leaderboards.test_submit import forge
from tests.sealing import change

REASON = "the subject is not in the local cache of the hub"


def runs(n_forged: int = 1) -> list[Run]:
    forged = [
        dataclasses.replace(
            made_up_run(f"forged{number}", 0.5 + number / 100, run_id=f"u{number}"),
            unverified=REASON,
        )
        for number in range(n_forged)
    ]
    honest = [made_up_run("good", 0.2), made_up_run("bad", 0.0), made_up_run("zero", control=True)]
    return [*forged, *honest]


def test_an_unverified_row_is_last_unranked_on_no_front_and_in_no_test() -> None:
    (first, *_) = build(runs())
    (alone, *_) = build(runs(0))
    assert [row.label for row in first.rows][:-1] == [row.label for row in alone.rows]
    forged = first.rows[-1]
    assert forged.label == "forged0 (unverified)"
    assert (forged.rank, forged.above, forged.fronts) == (None, None, frozenset())
    assert forged.unverified == REASON
    for row, same in zip(first.rows, alone.rows, strict=False):
        assert (row.rank, row.above, row.fronts) == (same.rank, same.above, same.fronts)
    for track in first.tracks:
        assert [row.rank for row in track.rows if row.unverified] in ([], [None])
        assert not any(row.above for row in track.rows if row.unverified)


def test_many_unverified_runs_do_not_push_the_verified_ones_aside() -> None:
    other = {"context_length": 8}
    forged = [
        dataclasses.replace(run, unverified=REASON)
        for number in range(5)
        for run in [made_up_run(f"forged{number}", 0.5, config=other)]
    ]
    first = build([*runs(0), *forged])[0]
    assert [row.rank for row in first.rows if not row.control] == [1, 2]
    assert {one.label for one in first.excluded} == {f"forged{n} (unverified)" for n in range(5)}


@pytest.mark.parametrize("form", FORMATS)
def test_it_is_marked_in_every_format(form: str) -> None:
    results = Results(runs(), [], [])
    text = render(page_of(results, parts=["leaderboard"]), form)
    assert "forged0 (unverified)" in text
    assert REASON in text
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        forged = [row for row in rows if row["explainer"] == "forged0"]
        assert forged
        assert {(row["rank"], row["unverified"], row["fronts"]) for row in forged} == {
            ("", REASON, "")
        }
        assert {row["unverified"] for row in rows if row["explainer"] != "forged0"} == {""}
    if form == "json":
        (row, *_) = (
            row
            for row in json.loads(text)["leaderboards"][0]["rows"]
            if row["explainer"] == "forged0"
        )
        assert (row["rank"], row["unverified"], row["above"]) == (None, REASON, None)


@pytest.mark.parametrize("part", ["layers", "tracks", "fronts", "subjects"])
def test_it_is_marked_or_left_out_of_every_other_table(part: str) -> None:
    text = render(page_of(Results(runs(), [], []), parts=[part]), "md")
    assert text.count("forged0") == text.count("forged0 (unverified)")


def test_it_is_not_drawn_and_is_marked_in_comparisons() -> None:
    boards = build(runs())
    for _, figure in plots_of(boards):
        texts = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
        assert not any("forged" in text for text in texts)
    comparison = compare_runs([run for run in runs() if not run.record.explainer.control])
    assert "forged0 (unverified)" in {one.label for one in comparison.standings}


@pytest.fixture
def published(finished: Run, tmp_path: Path) -> Path:
    """A folder with one verified submission."""
    checked = Resimulation(finished.scores.neurons()[:2], 0, columns=3)
    target, new = place(finished, submission_files(finished, checked), tmp_path / "published")
    assert new
    assert call("leaderboard", str(tmp_path / "published"), "--rebuild").status == 0
    return target


def top(published: Path) -> Path:
    return published.parents[3]


def ranks(folder: Path) -> dict[str, int | None]:
    (board, *_) = build(read_results([folder]).runs)
    return {row.label: row.rank for row in board.rows}


def test_a_verified_submission_is_ranked(published: Path) -> None:
    assert why_unverified(published) == ""
    assert ranks(top(published)) == {"token_lookup": 1}
    assert list(check_submissions(top(published))) == [(published, "", "")]
    assert stale(top(published)) == []


FORGERIES: list[tuple[Any, str]] = [
    (lambda f: (f / "submission.json").unlink(), "it has no submission.json"),
    (lambda f: (f / "submission.json").write_text("{"), "is damaged: "),
    (lambda f: (f / "submission.json").write_text("[" * 100_000), "is damaged: "),
    (lambda f: (f / "submission.json").write_text('{"verified": true}'), "is missing"),
    (lambda f: note(f, verified=False, reason="no subject"), "no subject"),
    (lambda f: note(f, resimulated=[]), "nothing of it was simulated again"),
    (lambda f: note(f, files={}), "run.json is not the file that was checked"),
    (lambda f: change(f, command=["x"]), "run.json is not the file that was checked"),
    (
        lambda f: forge(f, "uniform/pearson", lambda _: 0.99),
        "run.json is not the file that was checked",
    ),
]


def note(folder: Path, **changes: Any) -> None:
    path = folder / "submission.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(("edit", "reason"), FORGERIES, ids=[reason for _, reason in FORGERIES])
def test_whatever_was_changed_by_hand_is_unverified(
    published: Path, edit: Any, reason: str
) -> None:
    edit(published)
    assert reason in load_run(published).unverified
    assert ranks(top(published)) == {"token_lookup (unverified)": None}
    assert "token_lookup (unverified)" in call("show", str(top(published))).out
    assert stale(top(published)) != []


def test_a_run_put_beside_submissions_is_not_ones_own(published: Path, finished: Run) -> None:
    beside = published.parent / "feedfeedfeed"
    shutil.copytree(finished.folder, beside)  # its explanations too
    assert load_run(beside).unverified == "it has no submission.json"
    deeper = top(published) / "a" / "b" / "c" / "d" / "e"
    shutil.copytree(finished.folder, deeper)
    assert load_run(deeper).unverified == "it has no submission.json"
    assert load_run(finished.folder).unverified == ""


def test_an_unverified_submission_is_verified_when_it_can_be(
    finished: Run, small: Command, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "run"))
    missing = Resimulation([], 0, reason="the subject is not available")
    target, _ = place(finished, submission_files(finished, missing), tmp_path / "published")
    assert load_run(target).unverified == "the subject is not available"
    words = ("--to", str(tmp_path / "published"), "--cache-dir", str(small.folder / "cache"))
    answer = call("submit", str(folder), *words)
    assert answer.status == 0, answer.err
    assert load_run(target).unverified == ""
    assert "| 1 | token_lookup " in " ".join(
        (tmp_path / "published" / "README.md").read_text().split()
    ).replace("1   |", "1 |")


def test_local_folders_do_not_stand_in_what_is_published(published: Path, finished: Run) -> None:
    text = (published / "run.json").read_text()
    source = Path(finished.record.config["model"]["source"])
    for folder in (source.parent, Path(finished.record.config["dataset"]["path"]).parent):
        assert str(folder) not in text
    record = load_run(published).record
    assert record.config["model"]["source"] == source.name == record.subject.source
    assert record.config["explainer"] == record.explainer.options
    assert published_record(record) == record


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("/home/me/cc.en.vec", "cc.en.vec"),
        ("~/bert/", "bert"),
        ("C:\\Users\\me\\bert", "bert"),
        ("../bert", "bert"),
        ("models/../../bert", "bert"),
        ("distilbert/distilbert-base-cased", "distilbert/distilbert-base-cased"),
        ("subject", "subject"),
        ("/", "_"),
    ],
)
def test_paths_are_told_from_other_texts(text: str, published: str) -> None:
    assert base_name(text) == published


def test_a_path_in_a_sentence() -> None:
    told = "model.source=/home/me/small: there is no such folder, a/b and https://x.org/y are kept"
    assert without_folders(told) == (
        "model.source=small: there is no such folder, a/b and https://x.org/y are kept"
    )
