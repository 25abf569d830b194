"""What `tracking=wandb` writes, read back from W&B's own file; no network, no questions."""

from __future__ import annotations

import io
import json
import logging
import os
import sys

import pytest
from PIL import Image

from benchmark.errors import BenchmarkError
from benchmark.results import RunWriter, load_run
from benchmark.tracking import (
    Extras,
    ExtraTable,
    layer_metrics,
    make_tracker,
    wandb_session,
    wandb_tracker,
)
from benchmark.tracking.wandb_session import neuron_link
from tests.results.conftest import make_blocks, make_record
from tests.tracking.wandb_file import read


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """W&B as on a machine that has never seen it; its session ends with the test."""
    import wandb

    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "machine" / name))
    monkeypatch.setenv("NETRC", str(tmp_path / "machine" / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path / "machine"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.chdir(tmp_path)
    # Nobody can answer: reading a terminal that is not there would fail the test.
    monkeypatch.setattr(sys, "stdin", None)
    yield
    wandb.teardown()


@pytest.fixture
def run(tmp_path):
    with RunWriter.open(tmp_path / "run", {"seed": 0}) as writer:
        for number, block in enumerate(make_blocks()):
            writer.write_block(number, *block)
        writer.finish(make_record())
    return load_run(tmp_path / "run")


def tracker(tmp_path, **options):
    return make_tracker({"name": "wandb", "kind": "wandb", "dir": str(tmp_path / "w"), **options})


def written(tmp_path):
    """The files of the offline runs; W&B's process ends first, as it does with the command."""
    import wandb

    wandb.teardown()
    return sorted(tmp_path.glob("w/wandb/offline-run-*/*.wandb"))


def warnings_in(caplog):
    """What the user is told; W&B's own log goes to its file."""
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [one.getMessage() for one in records if one.name.startswith("benchmark")]


def test_a_run_without_credentials_is_written_offline(tmp_path, run, capfd, caplog):
    one = tracker(tmp_path, project="p", group="g", tags=["a", "b"])
    one.start("zero on solu-tiny", {"seed": 0, "explainer": {"name": "zero"}, "sizes": [1, 2]})
    one.log_layer(0, layer_metrics(run.scores, 0))
    messages = one.finish(run)

    (path,) = written(tmp_path)
    assert messages == [f"W&B: recorded offline; to upload it: `wandb sync {path.parent}`"]
    assert capfd.readouterr() == ("", "")
    assert warnings_in(caplog) == []

    found = read(path)
    assert (found.run.project, found.run.run_group, found.run.display_name) == (
        "p",
        "g",
        "zero on solu-tiny",
    )
    assert list(found.run.tags) == ["a", "b"]
    assert found.exit_code == 0

    assert found.config["seed"] == 0
    assert found.config["explainer"] == {"name": "zero"}
    assert found.config["sizes"] == [1, 2]
    assert found.config["run"]["subject"]["fingerprint"] == "f1"
    assert found.config["run"]["run_id"] == run.record.run_id

    layers = [row for row in found.history if "layer" in row]
    assert [row["layer"] for row in layers] == [0, 1]
    assert layers[0]["per_layer/uniform/pearson"] == 0.75
    assert layers[1]["per_layer/uniform/pearson"] == 0.125
    assert [row["per_layer/uniform/undefined"] for row in layers] == [0, 1]
    assert [row["per_layer/failed"] for row in layers] == [0, 1]
    assert [row["per_layer/cost/bytes"] for row in layers] == [17, 17]

    assert found.summary["uniform/pearson"] == 0.25
    assert found.summary["uniform/pearson/low"] == 0.1
    assert found.summary["uniform/pearson/high"] == 0.5
    assert found.summary["uniform/pearson/n_null"] == 1
    assert found.summary["uniform/undefined"] == 1
    assert found.summary["cost/subject_tokens"] == 12.5

    (table,) = [row["neurons"] for row in found.history if "neurons" in row]
    stored = json.loads((path.parent / "files" / table["path"]).read_text("utf-8"))
    assert stored["columns"] == [*run.scores.columns, "link"]
    assert stored["data"] == [[*row.values(), None] for row in run.scores.rows()]

    of_files = [one for one in found.artifacts if one.type == "benchmark-run"]
    assert len(of_files) == 1
    assert of_files[0].name == f"run-{run.record.run_id}"
    entries = {entry.path: entry for entry in of_files[0].manifest.contents}
    assert sorted(entries) == ["explanations.jsonl", "run.json", "scores.parquet"]
    for name, entry in entries.items():
        assert entry.size == (run.folder / name).stat().st_size
    assert json.loads(of_files[0].metadata)["explainer"] == "zero"


def test_layers_are_logged_by_the_end_and_only_once(tmp_path, run):
    one = tracker(tmp_path, mode="offline")
    one.start("n", {})
    one.log_layer(1, {"uniform/pearson": 0.9, "uniform/f1": None})
    one.finish(run)
    rows = [row for row in read(*written(tmp_path)).history if "layer" in row]
    assert [(row["layer"], row["per_layer/uniform/pearson"]) for row in rows] == [
        (1, 0.9),
        (0, 0.75),
    ]
    assert "per_layer/uniform/f1" not in rows[0]


def test_an_abandoned_run_says_that_it_failed(tmp_path, run):
    one = tracker(tmp_path)
    one.start("n", {"seed": 3})
    (message,) = one.abandon()
    found = read(*written(tmp_path))
    assert "wandb sync" in message
    assert found.exit_code == 1
    assert found.config["seed"] == 3
    assert one.abandon() == []
    assert one.finish(run) == []


def test_two_runs_in_one_process(tmp_path, run):
    for seed in (1, 2):
        one = tracker(tmp_path)
        one.start(f"n{seed}", {"seed": seed})
        one.finish(run)
    found = [read(path) for path in written(tmp_path)]
    assert sorted((one.config["seed"], one.run.display_name) for one in found) == [
        (1, "n1"),
        (2, "n2"),
    ]
    assert all(len([row for row in one.history if "layer" in row]) == 2 for one in found)


def test_a_server_that_does_not_answer_costs_nothing_but_the_upload(
    tmp_path, run, monkeypatch, caplog, capfd
):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(wandb_session, "START_SECONDS", 1.0)
    one = tracker(tmp_path)
    one.start("n", {"seed": 4})
    (warning,) = warnings_in(caplog)
    assert "W&B could not be reached" in warning
    assert "recorded offline" in warning
    (message,) = one.finish(run)
    assert "wandb sync" in message
    assert read(*written(tmp_path)).summary["uniform/pearson"] == 0.25
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("where", ["environment", "netrc", "settings"])
def test_with_credentials_it_goes_online(tmp_path, monkeypatch, where):
    import wandb

    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    if where == "environment":
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    elif where == "netrc":
        path = tmp_path / "machine" / "netrc"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"machine 127.0.0.1:9\n  login user\n  password {'0' * 40}\n")
        path.chmod(0o600)
    else:
        (tmp_path / "wandb").mkdir()
        (tmp_path / "wandb" / "settings").write_text(f"[default]\napi_key = {'0' * 40}\n")
    modes = []
    monkeypatch.setattr(wandb, "init", lambda *, mode, **rest: modes.append(mode))
    tracker(tmp_path).start("n", {})
    tracker(tmp_path, mode="offline").start("n", {})
    assert modes == ["online", "offline"]


def test_a_damaged_key_does_not_stop_the_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "short")
    one = tracker(tmp_path)
    one.start("n", {})
    assert "recorded offline" in one.abandon()[0]
    assert "credentials cannot be used" in caplog.text


def test_online_without_credentials_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(BenchmarkError, match=r"run `wandb login` or set WANDB_API_KEY"):
        tracker(tmp_path, mode="online").start("n", {})


def test_w_and_b_switched_off_by_its_own_settings(tmp_path, run, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    one = tracker(tmp_path)
    one.start("n", {})
    assert "switched off" in caplog.text
    assert one.finish(run) == []
    assert not list(tmp_path.glob("w/wandb/*"))


@pytest.mark.parametrize("mode", ["", "garbage"])
def test_a_mode_that_there_is_not_costs_one_warning(tmp_path, run, monkeypatch, caplog, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    one = tracker(tmp_path)
    one.start("n", {})
    assert one.finish(run) == []
    (record,) = caplog.records
    assert f"WANDB_MODE={mode} is no mode; the modes are online, offline" in record.getMessage()
    assert "the run goes on without" in record.getMessage()


def test_its_own_settings_choose_mode_and_project(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    one = tracker(tmp_path)
    one.start("n", {})
    one.abandon()
    assert read(*written(tmp_path)).run.project == "mine"


def test_the_project_is_named_after_the_benchmark(tmp_path):
    one = tracker(tmp_path)
    one.start("n", {})
    one.abandon()
    assert read(*written(tmp_path)).run.project == "neuron-simulator-benchmark"


class Broken:
    """A W&B run on which everything fails."""

    url = None

    def __init__(self, folder):
        self.settings = type("Settings", (), {"sync_dir": str(folder)})

    def __getattr__(self, name):
        raise ConnectionError("gone")


def test_w_and_b_failing_on_the_way_does_not_take_the_run_down(tmp_path, run, caplog):
    one = tracker(tmp_path)
    one._run = Broken(tmp_path / "a folder")
    one.log_layer(0, {"uniform/pearson": 0.5})
    messages = one.finish(run)
    assert messages == [f"W&B: to upload what is missing: `wandb sync '{tmp_path}/a folder'`"]
    for doing in ("logging layer 0", "logging layer 1", "the record", "the table", "the files"):
        assert doing in caplog.text
    assert "the results on the disk are not affected" in caplog.text


def test_every_neuron_has_a_link_to_its_page(tmp_path, run):
    one = tracker(tmp_path, links="https://example.org/{subject}/{layer}.{neuron}.html")
    one.start("n", {})
    one.finish(run)
    written(tmp_path)
    (stored,) = tmp_path.glob("w/wandb/offline-run-*/files/media/table/*.json")
    assert [row[-1] for row in json.loads(stored.read_text())["data"]] == [
        f"https://example.org/solu-tiny/{layer}.{neuron}.html"
        for layer, neuron in run.scores.neurons()
    ]


def test_links_lead_to_neuroscope_where_it_shows_the_subject():
    assert neuron_link(None, "solu-8l", 3, 400) == "https://neuroscope.io/solu-8l/3/400.html"
    assert neuron_link(None, "solu-6l-pile", 0, 1) == "https://neuroscope.io/solu-6l-pile/0/1.html"
    assert neuron_link(None, "solu-tiny", 3, 400) is None
    assert neuron_link("x/{neuron}", "solu-8l", 3, 400) == "x/400"


@pytest.mark.parametrize("template", ["{neurons}", "{0}", "{layer", "{layer.x}"])
def test_a_template_that_cannot_be_filled_in_is_refused(tmp_path, template):
    with pytest.raises(BenchmarkError, match=r"its places are \{subject\}, \{layer\}, \{neuron\}"):
        tracker(tmp_path, links=template)


def test_tables_and_pictures_are_logged_and_a_fault_in_them_costs_nothing(tmp_path, run, caplog):
    picture = io.BytesIO()
    Image.new("RGB", (4, 3), "white").save(picture, "png")
    table = ExtraTable(["label", "rank"], [["n2g", 1], ["zero", None]])
    extras = Extras({"leaderboard": table}, {"plots/bars": picture.getvalue()})
    one = tracker(tmp_path)
    one.start("n", {})
    one.finish(run, lambda asked: extras if asked is run else Extras())
    broken = tracker(tmp_path)
    broken.start("m", {})
    broken.finish(run, lambda asked: 1 / 0)
    assert "logging the leaderboard failed (ZeroDivisionError" in caplog.text
    found = {read(path).run.display_name: (read(path), path.parent) for path in written(tmp_path)}
    (first, folder), (second, _) = found["n"], found["m"]
    (row,) = [row for row in first.history if "leaderboard" in row]
    stored = json.loads((folder / "files" / row["leaderboard"]["path"]).read_text())
    assert stored["data"] == [["n2g", 1], ["zero", None]]
    assert (row["plots/bars"]["width"], row["plots/bars"]["height"]) == (4, 3)
    assert second.summary["uniform/pearson"] == 0.25
    assert second.artifacts


def test_a_table_that_is_too_long_shows_neurons_of_all_layers(tmp_path, run, monkeypatch, caplog):
    monkeypatch.setattr(wandb_tracker, "TABLE_ROWS", 2)
    one = tracker(tmp_path)
    one.start("n", {})
    one.finish(run)
    assert "shows 2 of 4 neurons" in caplog.text
    written(tmp_path)
    (stored,) = tmp_path.glob("w/wandb/offline-run-*/files/media/table/*.json")
    assert [row[:2] for row in json.loads(stored.read_text())["data"]] == [[0, 3], [1, 5]]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "w").write_text("a file")
    with pytest.raises(BenchmarkError, match=r"tracking\.dir: the folder '.*w' cannot be made"):
        tracker(tmp_path).start("n", {})
