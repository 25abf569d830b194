"""`score`: saved explanations are simulated and scored again, without asking the explainer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import benchmark.evaluation.experiment
from benchmark.results import Run, find_runs, load_run
from tests.command import Command, call, explanations, table, write_texts
from tests.runs.methods import Method
from tests.sealing import reseal


@pytest.fixture
def forget() -> None:
    """Subject and corpus are loaded again, as in a process of its own."""
    benchmark.evaluation.experiment._subject.cache_clear()
    benchmark.evaluation.experiment._corpus.cache_clear()


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    command = Command(tmp_path_factory.mktemp("scored"), checkpoint, texts)
    return command.finished("explainer=zero")


def interrupted(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("explainer", ["token_lookup", "oracle", "shuffled", "random", "mean"])
def test_the_same_numbers_without_explaining(
    command: Command, monkeypatch: pytest.MonkeyPatch, explainer: str
) -> None:
    import benchmark.evaluation.shards

    run = command.finished(f"explainer={explainer}")

    def refused(*arguments):
        raise AssertionError("the explainer was asked again")

    monkeypatch.setattr(benchmark.evaluation.shards, "explain_block", refused)
    answer = call("score", str(run.folder))
    assert answer.status == 0, answer.err
    assert "39 columns of scores compared" in answer.out
    assert "largest difference 0\n" in answer.out
    again = load_run(run.folder)
    assert table(again) == table(run)
    assert explanations(again) == explanations(run)
    assert again.record.summary["uniform/pearson"] == run.record.summary["uniform/pearson"]
    # What explaining cost is remembered; what simulating costs is measured anew.
    name = "cost/explain_seconds"
    assert again.scores.column(name).tolist() == run.scores.column(name).tolist()
    assert find_runs([command.folder / "results"]) == [run.folder]
    assert {path.name for path in run.folder.parent.iterdir()} == {run.folder.name}


def test_from_a_cold_cache_too(command: Command, forget: None) -> None:
    run = command.finished("explainer=token_lookup")
    shutil.rmtree(command.folder / "cache")
    assert "largest difference 0\n" in call("score", str(run.folder)).out
    assert table(load_run(run.folder)) == table(run)


def test_from_inside_the_folder(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    run = command.finished("explainer=zero")
    monkeypatch.chdir(run.folder)
    assert call("score", ".").status == 0
    monkeypatch.chdir(command.folder)
    assert call("score", str(run.folder / "run.json")).status == 0


def test_other_metrics_and_intervals(command: Command) -> None:
    run = command.finished("explainer=token_lookup", "metrics.metrics=[pearson]")
    answer = call("score", str(run.folder), "metrics=standard", "bootstrap.resamples=50")
    assert answer.status == 0
    assert "9 columns of scores compared" in answer.out
    again = load_run(run.folder)
    assert again.record.config["bootstrap"]["resamples"] == 50
    full = command.finished("explainer=token_lookup")
    assert table(again) == table(full)
    answer = call("score", str(run.folder), "metrics.metrics=[f1,pearson]")
    assert answer.status == 0
    assert load_run(run.folder).scores.metric_columns[:2] == ["uniform/f1", "uniform/pearson"]


def test_failures_stay_failures(command: Command) -> None:
    run = command.finished("explainer._target_=tests.runs.methods.RaisesOnEven")
    assert 0 < run.record.neurons.explained < 12
    Method.calls.clear()
    trusted = "--trust=tests.runs.methods.RaisesOnEven"
    assert call("score", str(run.folder), trusted).status == 0
    assert Method.calls == []
    assert table(load_run(run.folder)) == table(run)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("seed=3", "'seed=3' cannot be changed when scoring again; what can: metrics=..."),
        ("contexts.uniform=3", "cannot be changed"),
        ("explainer=zero", "cannot be changed"),
        ("nonsense", "cannot be changed"),
        ("metrics=foo", "metrics 'foo' is not known. known: accuracy, all, "),
        ("metrics.metrics=[foo]", "metric 'foo' is not known"),
        ("bootstrap.resample=3", "did you mean 'bootstrap.resamples'?"),
        ("bootstrap.resamples=0", "bootstrap.resamples=0 is too small"),
        ("device=[", "the value of device=[ cannot be read: while parsing a flow node"),
        ("device=tpu", "device 'tpu' is not known"),
    ],
)
def test_what_cannot_be_changed(scored: Run, change: str, part: str) -> None:
    assert part in call("score", str(scored.folder), change).message
    assert table(load_run(scored.folder)) == table(scored)


def test_other_text_or_weights_are_refused(
    command: Command, tmp_path: Path, checkpoint: Path, forget: None
) -> None:
    texts = write_texts(tmp_path / "texts")
    weights = tmp_path / "small"
    shutil.copytree(checkpoint, weights)
    run = command.finished("explainer=zero", f"dataset.path={texts}", f"model.source={weights}")
    (texts / "more.txt").write_text("word3 word4 word5 " * 40)
    benchmark.evaluation.experiment._corpus.cache_clear()
    message = call("score", str(run.folder)).message
    assert f"the corpus is not the one of run '{run.folder}'" in message
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights / "model.safetensors")
    tensors["layers.0.mlp.fc_in.bias"] += 1
    save_file(tensors, weights / "model.safetensors")
    benchmark.evaluation.experiment._subject.cache_clear()
    assert "the subject is not the one of run" in call("score", str(run.folder)).message
    assert table(load_run(run.folder)) == table(run)
    shutil.rmtree(texts)
    benchmark.evaluation.experiment._corpus.cache_clear()
    assert "does not exist" in call("score", str(run.folder)).message


@pytest.mark.parametrize("n_put", [0, 1, 2, 3])
def test_killed_while_it_replaces_the_files(
    command: Command, monkeypatch: pytest.MonkeyPatch, n_put: int
) -> None:
    run = command.finished("explainer=token_lookup", "metrics.metrics=[pearson]")
    replace, put = os.replace, []

    def killed(source, target):
        if Path(source).parent.name == "rescored" and Path(target).parent == run.folder:
            put.append(target)
            if len(put) > n_put:
                raise KeyboardInterrupt
        replace(source, target)

    remove = shutil.rmtree

    def killed_too(path, **options):
        if len(put) == 3:
            raise KeyboardInterrupt
        remove(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        patched.setattr(shutil, "rmtree", killed_too)
        assert call("score", str(run.folder), "metrics=standard").status == 130
    assert find_runs([command.folder / "results"]) == [run.folder]  # and never twice
    answer = call("score", str(run.folder))
    assert answer.status == 0, answer.err
    assert "39 columns of scores compared" in answer.out  # it went on with the new scores
    assert {path.name for path in run.folder.iterdir()} == {
        "run.json",
        "scores.parquet",
        "explanations.jsonl",
    }
    assert explanations(load_run(run.folder)) == explanations(run)


@pytest.mark.parametrize("moment", ["simulate", "_scores"])
def test_killed_while_it_scores(
    command: Command, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    import benchmark.evaluation.score

    run = command.finished("explainer=token_lookup")
    with monkeypatch.context() as patched:
        patched.setattr(benchmark.evaluation.score, moment, interrupted)
        answer = call("score", str(run.folder))
    assert answer.status == 130
    assert answer.err.strip() == "interrupted."
    assert table(load_run(run.folder)) == table(run)
    assert call("score", str(run.folder)).status == 0
    assert table(load_run(run.folder)) == table(run)


def test_a_lost_line_of_explanations(command: Command) -> None:
    run = command.finished("explainer=zero")
    lines = run.folder / "explanations.jsonl"
    lines.write_text("".join(lines.read_text().splitlines(keepends=True)[:-1]))
    assert "is not the file that the run wrote" in call("score", str(run.folder)).message
    reseal(run.folder)
    layer, neuron = run.scores.neurons()[-1]
    message = call("score", str(run.folder)).message
    assert f"no saved explanation of neuron {layer}.{neuron}" in message
    assert table(load_run(run.folder)) == table(run)
