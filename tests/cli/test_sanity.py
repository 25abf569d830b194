"""`sanity` on a real run of the small subject, and the marks that its outcome has elsewhere."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from benchmark.config.run_config import RunConfig
from benchmark.results import Run
from benchmark.scorers.simulation import FIRING_METRICS
from metrics import METRICS, SanityResult
from tests.command import Command, call


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    command = Command(tmp_path_factory.mktemp("sanity"), checkpoint, texts)
    return command.finished("explainer=zero", "firing_threshold=0.8", "metrics=all")


@pytest.fixture(scope="module")
def table(run: Run) -> str:
    answer = call("sanity", str(run.folder))
    assert answer.status == 0, answer.err
    return answer.out


def row(table: str, column: str) -> list[str]:
    (found,) = [
        line.replace("†", "").split()
        for line in table.splitlines()
        if line.replace("†", "").split()[:1] == [column] and "%" in line
    ]
    return found


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_row_and_marked_ones_a_mark(table: str, name: str) -> None:
    found = row(table, f"uniform/{name}")
    assert found[1] in ("pass", "fail")
    assert (f"uniform/{name} † " in table) == (not METRICS[name].sound)


def test_every_neuron_of_the_run_is_counted(table: str, run: Run) -> None:
    for name in ("f1", "pearson", "f1_top_alpha"):
        found = row(table, f"uniform/{name}")
        assert int(found[-2]) + int(found[-1]) == len(run.scores)
    assert len(row(table, "top_and_random/pearson")) == 7


@pytest.mark.parametrize(
    ("name", "blind_to"), [("recall", "extra"), ("precision", "missing"), ("f1", None)]
)
def test_what_theory_says_holds_on_any_neuron(table: str, name: str, blind_to: str | None) -> None:
    _, outcome, perfect, missing, extra, *_ = row(table, f"uniform/{name}")
    assert perfect == "1.000"
    assert (missing == "0.0%") == (blind_to == "missing")
    assert (extra == "0.0%") == (blind_to == "extra")
    assert outcome == ("pass" if blind_to is None else "fail")


def test_the_same_seed_gives_the_same_table(run: Run, table: str) -> None:
    assert call("sanity", str(run.folder), "--seed", "0").out == table


def test_the_size_of_blocks_does_not_matter(
    run: Run, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.analysis.sanity.NEURONS_AT_ONCE", 1)
    assert call("sanity", str(run.folder)).out == table


def test_chosen_metrics_alone(run: Run) -> None:
    out = call("sanity", str(run.folder), "metrics=[f1,recall]").out
    assert "uniform/f1" in out
    assert "uniform/cosine" not in out
    assert "uniform/cosine" in call("sanity", str(run.folder), "metrics=standard").out


def test_a_metric_that_does_not_do_what_its_mark_says_is_noted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reversed_outcome(name: str, parts: object) -> SanityResult:
        good = 0.0 if METRICS[name].sound else 1.0
        return SanityResult(name, good, good, 5, 0, 1.0)

    monkeypatch.setattr("metrics.sanity_result", reversed_outcome, raising=False)
    out = call("sanity", str(run.folder), "metrics=[f1,recall]").out
    assert "note: uniform/f1 is not marked but fails on these neurons." in out
    assert "note: uniform/recall is marked but passes on these neurons" in out


def test_another_subject_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.evaluation import experiment as module
    from benchmark.evaluation.experiment import open_experiment

    def other(config: RunConfig) -> object:
        experiment = open_experiment(config)
        monkeypatch.setattr(experiment.subject, "fingerprint", "f" * 64)
        return experiment

    monkeypatch.setattr(module, "open_experiment", other)
    assert "the subject is not the one of run" in call("sanity", str(run.folder)).message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["metrics=everything"], "metrics 'everything' is not known"),
        (["metrics=[f2]"], "metric 'f2' is not known"),
        (["metrics=[]"], "metrics is empty"),
        (["--seed", "-1"], "--seed -1 must be a whole number"),
        (["seed=1"], "'seed=1' is written --seed N"),
        (["sed=1"], "key 'sed' is not known; did you mean 'seed'"),
        (["quick"], "'quick' is not key=value"),
    ],
)
def test_bad_input_ends_in_one_message(run: Run, words: list[str], message: str) -> None:
    assert message in call("sanity", str(run.folder), *words).message


def test_the_run_comes_first() -> None:
    assert "sanity takes the folder of a run first" in call("sanity", "device=cpu").message
    assert call("sanity").status == 1
    assert call("sanity", "--help").status == 0


def test_list_marks_what_fails() -> None:
    lines = call("list", "metrics").out.splitlines()
    for name, metric in METRICS.items():
        (line,) = [line for line in lines if line.split()[0] == name]
        assert ("†" in line) == (not metric.sound)
    rows = {entry["name"]: entry for entry in json.loads(call("list", "metrics", "--json").out)}
    assert rows["recall"]["sound"] is False
    assert "costs it nothing" in rows["recall"]["unsound"]
    assert rows["mse"]["perfect"] == 0.0


def test_show_marks_what_fails_and_cuts_no_number_short(run: Run) -> None:
    out = call("show", str(run.folder)).out
    headers = [line for line in out.splitlines() if line.split()[:2] == ["layer", "neurons"]]
    (header,) = (line for line in headers if "recall †" in line)
    other = [f"uniform_maximum/{name}" for name in FIRING_METRICS]
    assert header.replace(" †", "").split()[2:] == [*METRICS, *other]
    assert "…" not in out
    assert "† fails the sanity tests" in out
    layer, neuron = run.scores.neurons()[0]
    of_neuron = call("show", str(run.folder), f"{layer}.{neuron}").out
    assert "spearman †" in of_neuron


def test_neurons_are_never_ranked_by_what_fails(
    tmp_path: Path, checkpoint: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Command(tmp_path, checkpoint, texts)
    mixed = command.finished("explainer=random", "metrics.metrics=[recall,pearson,mse]")
    best = best_neurons(mixed, "pearson")
    assert best == sorted(best, reverse=True)
    # A metric of which less is better puts the least first, should one ever pass.
    sound = {name: METRICS[name] for name in ("recall", "pearson", "mse")}
    sound["pearson"] = dataclasses.replace(METRICS["pearson"], unsound="made up")
    sound["mse"] = dataclasses.replace(METRICS["mse"], unsound=None)
    monkeypatch.setattr("metrics.METRICS", sound)
    best = best_neurons(mixed, "mse")
    assert best == sorted(best)
    monkeypatch.undo()
    alone = command.finished("explainer=zero", "metrics.metrics=[recall]")
    assert "best neurons" not in call("show", str(alone.folder)).out


def best_neurons(run: Run, name: str) -> list[float]:
    """The scores that `show` orders its best neurons by, in that order."""
    out = call("show", str(run.folder)).out
    best = out[out.index(f"best neurons by {name}") : out.index(f"worst neurons by {name}")]
    place = ["recall", "pearson", "mse"].index(name)
    lines = [line for line in best.splitlines() if line.strip()[:1].isdigit()]
    # What a correlation rests on stands behind it: an interval and a number of tokens.
    rows = [re.sub(r"\[.*?\] +\S+", "", line).split() for line in lines]
    assert len(rows) > 1
    return [float(row[1 + place]) for row in rows]
