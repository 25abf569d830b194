"""A scorer added as one Python file and one YAML: what it measures appears wherever scores do."""

from __future__ import annotations

import csv
import io
import json
import os
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmark.results import load_run
from tests.command import SETTINGS, call
from tests.scorers.toy import write_toy
from tests.tracking.wandb_file import read

EXPLAINERS = ("token_lookup", "zero")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs on the planted subject that a toy scorer scored, the first of them also in W&B."""
    folder = tmp_path_factory.mktemp("toy")
    config = write_toy(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.syspath_prepend(str(folder))
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patched.delenv(name)
        for name in ("CONFIG", "CACHE", "DATA"):
            patched.setenv(f"WANDB_{name}_DIR", str(folder / "machine" / name))
        patched.setenv("HOME", str(folder / "machine"))
        patched.setenv("NETRC", str(folder / "machine" / "netrc"))
        patched.setattr(sys, "stdin", None)
        # W&B shows the board of the runs beside, so the run that it shows comes last.
        for name in reversed(EXPLAINERS):
            tracking = name == EXPLAINERS[0]
            answer = call(*words(name, config), *(WANDB if tracking else ()))
            assert answer.status == 0, answer.err
        import wandb

        wandb.teardown()
        yield folder
    sys.modules.pop("a_scorer_of_my_own", None)


WANDB = ("tracking=wandb", "tracking.mode=offline", "tracking.dir=w")


def words(explainer, scorer, *more):
    return (
        "run",
        f"explainer={explainer}",
        f"scorer={scorer}",
        "model=planted",
        *SETTINGS,
        "results_dir=results",
        "cache_dir=cache",
        *more,
    )


def run_of(folder, explainer):
    (record,) = folder.glob(f"results/planted/*/{explainer}/*/run.json")
    return load_run(record.parent)


def mean_of(run, column="toy/overlap"):
    """The mean over the neurons that have strong tokens."""
    return float(np.nanmean(run.scores.column(column)))


def leaderboard(form, *more):
    answer = call("leaderboard", "results", "--format", form, *more)
    assert answer.status == 0, answer.err
    return answer.out


def test_the_file_of_scores_has_the_columns(folder):
    run = run_of(folder, "token_lookup")
    table = pq.read_table(run.folder / "scores.parquet")
    types = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert (types["toy/overlap"], types["toy/silent"]) == ("double", "bool")
    values = run.scores.column("toy/overlap")
    assert 0 <= np.nanmin(values) <= np.nanmax(values) <= 1
    assert mean_of(run) > 0
    assert mean_of(run_of(folder, "zero")) == 0
    assert run_of(folder, "zero").scores.column("toy/silent").all()


def test_the_record_holds_what_was_declared_and_the_means(folder):
    run = run_of(folder, "token_lookup")
    assert [one.name for one in run.record.columns] == ["toy/overlap", "toy/gap", "toy/silent"]
    summary = run.record.metric("toy/overlap")
    assert summary.mean == pytest.approx(mean_of(run))
    assert summary.low <= summary.mean <= summary.high
    silent = run_of(folder, "zero").record.summary["toy/silent"]
    assert silent == len(run.scores)
    assert run.record.config["scorers"]["toy"]["part"] == 0.5


def test_results_are_read_without_the_scorers_class(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "a_scorer_of_my_own", None)  # importing it raises
    run = run_of(folder, "token_lookup")
    assert run.scores.about("toy/gap").higher_is_better is False
    assert call("show", str(run.folder)).status == 0
    assert "toy/overlap" in leaderboard("csv")


def test_show_prints_it_of_runs_of_a_run_and_of_a_neuron(folder):
    run = run_of(folder, "token_lookup")
    mean = f"{mean_of(run):.3f}"
    both = call("show", "results").out
    (heading,) = [line for line in both.splitlines() if line.split()[:1] == ["explainer"]]
    assert "overlap" in heading.split()
    assert "share of the strongest tokens that are predicted as strong" in both
    whole = call("show", str(run.folder)).out
    assert "scores of toy" in whole
    assert mean in whole.partition("scores of toy")[2].partition("by layer")[0]
    row = int(np.nanargmax(run.scores.column("toy/overlap")))
    layer, neuron = run.scores.neurons()[row]
    single = call("show", str(run.folder), f"{layer}.{neuron}", "--no-direct").out
    value = run.scores.column("toy/overlap")[row]
    assert ["overlap", f"{value:.3f}"] in [line.split() for line in single.splitlines()]
    assert ["silent", "no"] in [line.split() for line in single.splitlines()]


def test_compare_tests_and_ranks_by_it(folder):
    answer = call(
        "compare", "results", "--metrics", "toy/overlap,toy/gap", "--rank-by", "toy/overlap"
    )
    assert answer.status == 0, answer.err
    assert answer.out.index("token_lookup") < answer.out.index("zero")
    rows = [line.split() for line in answer.out.splitlines() if line.strip().startswith("toy/")]
    assert [row[0] for row in rows] == ["toy/overlap", "toy/gap"]
    refused = call("compare", "results", "--rank-by", "toy/gap")
    assert "'toy/gap' cannot be a ranking key" in refused.message
    refused = call("compare", "results", "--metrics", "toy/silent")
    assert "'toy/silent' is no score" in refused.message


@pytest.mark.parametrize("form", ["md", "html", "latex"])
def test_the_leaderboard_for_people_has_it(folder, form):
    run = run_of(folder, "token_lookup")
    page = leaderboard(form)
    assert "overlap" in page
    assert f"{mean_of(run):.3f}" in page
    assert "share of the strongest tokens that are predicted as strong" in " ".join(page.split())
    assert "toy/gap" not in page  # it asked to stay out of tables


def test_the_leaderboard_for_programs_has_it(folder):
    run = run_of(folder, "token_lookup")
    mean = mean_of(run)
    row, *_ = csv.DictReader(io.StringIO(leaderboard("csv")))
    assert float(row["toy/overlap"]) == pytest.approx(mean, rel=1e-5)
    assert float(row["toy/gap"]) == pytest.approx(mean_of(run, "toy/gap"), rel=1e-5)
    layers = list(csv.DictReader(io.StringIO(leaderboard("csv", "--table", "layers"))))
    assert float(layers[0]["toy/overlap"]) == pytest.approx(mean, rel=1e-5)
    first = json.loads(leaderboard("json"))["leaderboards"][0]["rows"][0]
    assert first["scores"]["toy/overlap"]["mean"] == pytest.approx(mean, rel=1e-5)
    assert first["layers"]["0"]["toy/overlap"] == pytest.approx(mean, rel=1e-5)


def test_the_leaderboard_can_be_in_its_order(folder):
    found = json.loads(leaderboard("json", "--rank-by", "toy/overlap"))["leaderboards"][0]
    assert found["ranked_by"] == "toy/overlap"
    assert [row["explainer"] for row in found["rows"]] == list(EXPLAINERS)
    table = leaderboard("md", "--rank-by", "toy/overlap").splitlines()
    (heading,) = [line for line in table if line.startswith("| #")][:1]
    assert heading.count("overlap") == 1
    refused = call("leaderboard", "results", "--rank-by", "toy/gap")
    assert "'toy/gap' cannot be a ranking key" in refused.message


def test_the_pages_of_the_report_have_it(folder):
    answer = call("report", "results", "--output", "site", "--cache-dir", "cache")
    assert answer.status == 0, answer.err
    site = folder / "site"
    assert "overlap" in (site / "index.html").read_text(encoding="utf-8")
    pages = [*site.glob("*/explainers/token*lookup*.html")]
    neurons = [*site.glob("*/neurons/*.html")]
    assert pages
    assert neurons
    for path in [*pages, *neurons]:
        text = path.read_text(encoding="utf-8")
        assert "Scores of toy" in text, path
        assert "mean error on the strongest tokens" in text, path


def test_weights_and_biases_has_it(folder):
    (path,) = folder.glob("w/wandb/offline-run-*/*.wandb")
    found = read(path)
    run = run_of(folder, "token_lookup")
    mean = mean_of(run)
    assert found.summary["toy/overlap"] == pytest.approx(mean)
    assert found.summary["toy/overlap/low"] <= mean <= found.summary["toy/overlap/high"]
    curve = [row for row in found.history if "per_layer/toy/overlap" in row]
    assert curve[0]["per_layer/toy/overlap"] == pytest.approx(mean)
    tables = {
        path.name.partition("_")[0]: json.loads(path.read_text())
        for path in folder.glob("w/wandb/offline-run-*/files/media/table/*.table.json")
    }
    assert "toy/overlap" in tables["neurons"]["columns"]
    assert "toy/overlap" in tables["leaderboard"]["columns"]
    assert "toy/overlap" in tables["layers"]["columns"]


def test_other_columns_and_run_ids_stay_as_they_are_without_it(folder):
    answer = call(*words("token_lookup", "null"))
    assert answer.status == 0, answer.err
    (with_it, without) = sorted(
        (
            load_run(path.parent)
            for path in folder.glob("results/planted/*/token_lookup/*/run.json")
        ),
        key=lambda run: "toy/overlap" not in run.scores.columns,
    )
    assert with_it.record.run_id != without.record.run_id
    assert without.record.columns == []
    for column in without.scores.described:
        if column.kind != "cost":
            one, other = (run.scores.column(column.name) for run in (without, with_it))
            np.testing.assert_array_equal(one, other, err_msg=column.name)
