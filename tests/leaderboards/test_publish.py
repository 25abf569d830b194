"""Runs in W&B with the leaderboard they are in: while they run, later, and as a sweep."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.evaluation.reopen import ReopenedRun
from benchmark.results import load_run
from benchmark.tracking import Extras
from leaderboards.tracker_extras import extras_of
from tests.command import Command, call
from tests.tracking.wandb_file import read

DOCUMENT = Path(__file__).parents[2] / "docs" / "wandb.md"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """W&B without credentials, a terminal or a memory."""
    import wandb

    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "machine" / name))
    monkeypatch.setenv("NETRC", str(tmp_path / "machine" / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path / "machine"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setattr(sys, "stdin", None)
    yield
    wandb.teardown()


def written(folder: Path) -> dict[str, Any]:
    """What was recorded offline, by the names of the runs."""
    import wandb

    wandb.teardown()
    paths = sorted(folder.glob("wandb/offline-run-*/*.wandb"))
    found = {read(path).run.display_name: (read(path), path.parent) for path in paths}
    assert len(found) == len(paths)
    return found


@pytest.fixture(scope="module")
def sweep(small: Command) -> list[Path]:
    """Two runs of one sweep, not tracked."""
    command = Command(small.folder / "sweep", Path(), Path())
    command.small = (
        *(word for word in small.small if not word.startswith("results_dir=")),
        f"results_dir={command.folder / 'results'}",
    )
    answer = command.run("-m", "explainer=token_lookup,zero")
    assert answer.status == 0, answer.err
    return command.folders()


def test_publish_logs_a_finished_run_with_its_leaderboard(
    sweep: list[Path], tmp_path: Path
) -> None:
    lookup = next(folder for folder in sweep if folder.parent.name == "token_lookup")
    answer = call("publish", str(lookup), f"--dir={tmp_path}", "--project=p")
    assert answer.status == 0, answer.err
    run = load_run(lookup)
    name = f"token_lookup-small-{run.record.run_id}"
    assert answer.out.startswith(f"{name}\n  W&B: recorded offline; to upload it: `wandb sync ")
    ((logged, folder),) = written(tmp_path).values()
    assert (logged.run.display_name, logged.run.project) == (name, "p")
    assert logged.summary["uniform/pearson"] == run.record.metric("uniform/pearson").mean
    assert logged.config["explainer"]["name"] == "token_lookup"
    merged = {key: value for row in logged.history for key, value in row.items()}
    table = json.loads((folder / "files" / merged["leaderboard"]["path"]).read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    uniform = [row["label"] for row in rows if row["scoring_set"] == "uniform"]
    assert uniform == ["token_lookup", "zero"]
    assert {"layers", "tracks", "neurons"} <= set(merged)
    pictures = {key for key in merged if key.startswith("plots/")}
    names = ("bars", "size", "tokens", "seconds", "layers", "spectrum_best", "spectrum_worst")
    assert pictures == {f"plots/{name}" for name in names}
    for key in pictures:
        assert (folder / "files" / merged[key]["path"]).read_bytes().startswith(b"\x89PNG")
    assert [one.name for one in logged.artifacts if one.type == "benchmark-run"] == [
        f"run-{run.record.run_id}"
    ]


def test_every_key_of_the_summary_is_documented(
    sweep: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.tracker_extras.extras_of", lambda *_: Extras())
    assert call("publish", str(sweep[0]), f"--dir={tmp_path}").status == 0
    ((logged, _),) = written(tmp_path).values()
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.partition("## Keys of the summary")[2].partition("\n## ")[0]
    keys = [
        key
        for line in section.splitlines()
        if line.startswith("| `")
        for key in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]
    places = {
        "<set>": "(uniform|novel|uniform_small|top|top_and_random)",
        "<metric>": r"[a-z0-9_]+",
    }
    places |= {"<contexts>": "(uniform|firing)", "<ablation>": "(mean|zero)"}
    places |= {"<detected>": "(small_)?(auc|balanced_accuracy)"}
    places |= {"<windows>": "(small_)?(non_)?activating"}
    patterns = []
    for key in keys:
        for place, pattern in places.items():
            key = key.replace(place, pattern)
        patterns.append(re.compile(key))
    logged_keys = set(logged.summary) - {"_step", "_runtime", "_timestamp", "_wandb"}
    logged_keys -= {key for row in logged.history for key in row}
    assert "uniform/pearson/low" in logged_keys
    undocumented = [key for key in logged_keys if not any(p.fullmatch(key) for p in patterns)]
    assert undocumented == []


def test_the_runs_of_a_sweep_land_in_one_group(
    small: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.tracker_extras.extras_of", lambda *_: Extras())
    words = ("-m", "explainer=token_lookup", "neurons.layers=[0],[1]", "tracking=wandb")
    words = (*words, f"tracking.dir={tmp_path}", f"results_dir={tmp_path / 'results'}")
    assert small.run(*words).status == 0
    groups = {one.run.run_group for one, _ in written(tmp_path).values()}
    (group,) = groups
    assert re.fullmatch(r"sweep-[0-9a-f]{8}", group)
    # The group is kept with the run, for `publish`; a group of one's own stands.
    (folder, _) = sorted((tmp_path / "results").rglob("run.json"))
    assert json.loads(folder.read_text())["config"]["tracking"]["group"] == group
    again = ("publish", str(folder.parent), f"--dir={tmp_path / 'later'}")
    assert call(*again).status == 0
    ((later, _),) = written(tmp_path / "later").values()
    assert later.run.run_group == group
    assert (
        small.run(
            *words[:2], "tracking=wandb", f"tracking.dir={tmp_path / 'own'}", "tracking.group=mine"
        ).status
        == 0
    )
    assert {one.run.run_group for one, _ in written(tmp_path / "own").values()} == {"mine"}


def test_a_run_outside_a_folder_of_results_is_a_leaderboard_of_its_own(
    sweep: list[Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(sweep[0], tmp_path / "elsewhere" / "run"))
    extras = extras_of(load_run(copy))
    place = list(extras.tables["leaderboard"].columns).index("label")
    assert {row[place] for row in extras.tables["leaderboard"].rows} == {sweep[0].parent.name}


def test_texts_that_are_whole_explanations_are_logged(sweep: list[Path], small: Command) -> None:
    run = small.finished("explainer=n2g", "seed=7")
    table = extras_of(run).tables["texts"]
    assert list(table.columns) == ["r", "neuron", "characters", "text"]
    assert len(table.rows) == len(run.scores)
    scores = [row[0] for row in table.rows]
    assert scores == sorted(run.scores.column("uniform/pearson").tolist(), reverse=True)
    explained = {saved.name: saved for saved in run.explanations()}
    for _, name, characters, text in table.rows:
        explanation = ReopenedRun(run).explanation(explained[name])
        assert explanation is not None
        assert text == explanation.describe()
        assert characters == len(text)
    lookup = next(folder for folder in sweep if folder.parent.name == "token_lookup")
    assert "texts" not in extras_of(load_run(lookup)).tables


def test_a_run_that_cannot_be_read_stops_no_other(
    sweep: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.tracker_extras.extras_of", lambda run, trust=(): Extras())
    folder = tmp_path / "runs"
    bad = Path(shutil.copytree(sweep[0], folder / "bad"))
    (bad / "scores.parquet").write_bytes(b"PAR1")
    shutil.copytree(sweep[1], folder / "good")
    answer = call("publish", str(folder), f"--dir={tmp_path / 'wandb'}")
    assert answer.status == 0, answer.err
    assert f"left out: '{bad / 'scores.parquet'}' is not the file" in answer.err
    assert len(written(tmp_path / "wandb")) == 1
    shutil.rmtree(folder / "good")
    assert "is not the file that the run wrote" in call("publish", str(folder)).message
    shutil.copytree(bad, folder / "worse")
    answer = call("publish", str(folder))
    assert answer.status == 1
    assert answer.err.endswith("error: none of the runs there can be read.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "publish takes the folder of a run first"),
        (("--mode", "offline"), "publish takes the folder of a run first"),
        (("RUN", "tracking.mode=offline"), "'tracking.mode=offline' is written --mode ..."),
        (("nowhere",), "there is no run in 'nowhere': the folder does not exist"),
        (
            ("RUN", "--grup=x"),
            "option of publish '--grup' is not known; did you mean '--group'?",
        ),
        (("RUN", "seed=1"), "publish takes no 'seed=1', its options are written --key value"),
        (("RUN", "--mode=of"), "tracking.mode 'of' is not known"),
        (("RUN", "--links=x/{x}"), "tracking.links=x/{x} cannot be filled in"),
    ],
)
def test_bad_input_ends_in_one_message(
    sweep: list[Path], words: tuple[str, ...], message: str
) -> None:
    given = [str(sweep[0]) if word == "RUN" else word for word in words]
    assert message in call("publish", *given).message
