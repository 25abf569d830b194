"""`benchmark.run` is the command: the same files, the same run id, the same messages."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import benchmark
from explainers.controls import Shuffled
from explainers.n2g import N2G
from explainers.token_lookup import TokenLookup
from tests.api.conftest import SMALL
from tests.api.explainers import Constant, Forgets, Holds, Private
from tests.command import call

WORDS = (
    "model=planted",
    "dataset=stdlib",
    "dataset.max_documents=160",
    "context_length=32",
    *(f"contexts.{name}={value}" for name, value in SMALL["contexts"].items()),
    "bootstrap.resamples=100",
    "device=cpu",
)


def refusal(**settings: Any) -> str:
    with pytest.raises(benchmark.BenchmarkError) as caught:
        benchmark.run(**settings)
    return str(caught.value)


def written(folder: Path) -> dict[str, Any]:
    """The files of a run but for times and what was typed."""
    record = json.loads((folder / "run.json").read_text())
    for key in ("started", "finished", "timings", "command", "files"):
        record.pop(key)
    for column in [name for name in record["summary"] if name.endswith("_seconds")]:
        del record["summary"][column]
    for key in ("results_dir", "cache_dir"):
        record["config"].pop(key)
    return {"record": record, "explanations": (folder / "explanations.jsonl").read_bytes()}


def scores(folder: Path) -> list[dict[str, Any]]:
    rows = benchmark.load_run(folder).scores.rows()
    return [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in rows]


@pytest.mark.parametrize("name", ["token_lookup", "n2g"])
def test_the_command_and_the_function_write_the_same_files(
    name: str, small: dict[str, Any], tmp_path: Path, cache: Path
) -> None:
    run = benchmark.run(name, layers=[0], per_layer=3, seed=1, metrics=["pearson", "f1"], **small)
    words = (f"explainer={name}", "neurons.layers=[0]", "neurons.per_layer=3", "seed=1")
    folders = (f"results_dir={tmp_path / 'typed'}", f"cache_dir={cache}")
    answer = call("run", *WORDS, *words, "metrics=[pearson,f1]", *folders)
    assert answer.status == 0, answer.err
    (typed,) = benchmark.find_runs([tmp_path / "typed"])
    assert typed.name == run.folder.name == run.record.run_id
    assert written(typed) == written(run.folder)
    assert scores(typed) == scores(run.folder)
    # The record of the run made here holds a command that finds it finished.
    again = call(*run.record.command[3:])
    assert "finished before" in again.out
    assert str(run.folder) in again.out


def test_names_folders_and_files(
    small: dict[str, Any], tmp_path: Path, checkpoint: Path, texts: Path, cache: Path
) -> None:
    settings = {**small, "model": checkpoint, "dataset": str(texts), "context_length": 16}
    run = benchmark.run("zero", per_layer=2, **settings)
    assert run.record.config["model"]["source"] == str(checkpoint)
    assert run.record.config["dataset"]["path"] == str(texts)
    assert run.record.subject.name == "small"


def test_neurons_by_name(small: dict[str, Any]) -> None:
    run = benchmark.run("zero", neurons=["0.3", (0, 10)], metrics="spearman", **small)
    assert run.neurons == ["0.3", "0.10"]
    assert [name for name in run.scores.metric_columns if name.startswith("uniform/")] == [
        "uniform/spearman"
    ]


def test_an_object_is_run_and_reopened(small: dict[str, Any]) -> None:
    run = benchmark.run(Constant(k=3.0), layers=0, per_layer=2, **small)
    name = run.neurons[0]
    assert run.record.explainer.name == "Constant"
    assert run.record.explainer.options["k"] == 3.0
    assert run.explanation(name).describe() == "always 3.0 <b>\x1b[31m"
    assert benchmark.run(Constant(3.0), layers=0, per_layer=2, **small).folder == run.folder
    assert benchmark.run(Constant(2.0), layers=0, per_layer=2, **small).folder != run.folder
    # Its class is in a module, so the command gives the same run, and reads it.
    target = "tests.api.explainers.Constant"
    words = (f"explainer._target_={target}", "explainer.k=3.0", "neurons.layers=0")
    folders = (f"results_dir={small['results_dir']}", f"cache_dir={small['cache_dir']}")
    answer = call("run", *WORDS, *words, "neurons.per_layer=2", *folders)
    assert "finished before" in answer.out
    assert call("score", str(run.folder), f"trust={target}").status == 0


def test_a_class_of_a_function_is_reopened_here_and_nowhere_else(
    small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Local(Constant):
        pass

    run = benchmark.run(Local(k=2.0), layers=0, per_layer=2, **small)
    assert benchmark.load_run(run.folder).explanation(run.neurons[0]).describe()[:6] == "always"
    monkeypatch.setattr("benchmark.plugins.objects._objects", {})
    monkeypatch.setattr("benchmark.plugins.objects._classes", {})
    message = call("score", str(run.folder)).message
    assert "an object of the class 'Local'" in message
    assert "move the class into a module" in message


def test_a_class_without_a_file_is_told_from_its_changed_self(small: dict[str, Any]) -> None:
    """As in a notebook, where a cell is run again with another method in it."""
    code = (
        "from tests.api.explainers import Always, Constant\n"
        "def value(k):\n    return k * {factor}\n"
        "class Typed(Constant):\n"
        "    def explain(self, evidence, subject):\n"
        "        return [Always(value(self.k)) for _ in evidence.neurons.tolist()]\n"
    )
    folders = []
    for factor in (1, 2, 1):
        made: dict[str, Any] = {"__name__": "a_notebook"}
        exec(code.format(factor=factor), made)
        run = benchmark.run(made["Typed"](), layers=0, per_layer=2, **small)
        folders.append(run.folder)
        assert run.explanation(run.neurons[0]).explanation == {"value": float(factor)}
    assert folders[0] == folders[2] != folders[1]


def test_an_object_of_a_built_in_class_is_the_run_of_its_name(small: dict[str, Any]) -> None:
    chosen = {"layers": 0, "per_layer": 2, **small}
    by_name = benchmark.run("token_lookup", options={"min_count": 2}, **chosen)
    assert benchmark.run(TokenLookup(min_count=2), **chosen).folder == by_name.folder
    shuffled = benchmark.run(Shuffled(inner=TokenLookup(), seed=3), **chosen)
    assert shuffled.record.explainer.control
    assert shuffled.explanation(shuffled.neurons[0]).describe()
    with pytest.raises(benchmark.BenchmarkError, match=r"'augmenter' is not kept.*with options="):
        benchmark.run(N2G(), **chosen)


def test_runs_in_threads_are_as_they_are_alone(small: dict[str, Any]) -> None:
    def run(seed: int) -> list[Any]:
        settings = {**small, "seed": seed, "results_dir": f"{small['results_dir']}-{seed}"}
        return benchmark.run("mean", layers=0, per_layer=2, **settings).scores.neurons()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, [0, 1, 2]))
    assert together == [run(seed) for seed in (0, 1, 2)]


def test_what_a_record_cannot_hold_is_refused(small: dict[str, Any]) -> None:
    run = benchmark.run(Private(3, inner=Constant(2.0)), layers=0, per_layer=2, **small)
    assert run.record.explainer.options["k"] == 3
    assert run.record.explainer.options["inner"]["_target_"] == "tests.api.explainers.Constant"
    assert "its argument 'client' is not kept" in refusal(explainer=Forgets(1), **small)
    assert "'client' is of type object" in refusal(explainer=Holds(object()), **small)
    assert "give an object: Constant(...)" in refusal(explainer=Constant, **small)
    assert "with the name" in refusal(explainer=Constant(), options={"k": 2}, **small)
    assert "has no 'explain'" in refusal(explainer=object(), **small)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"explainer": "n2h"}, ["explainer=n2h"]),
        ({"explainer": 5}, ["explainer=5"]),
        ({"model": "solu-9l"}, ["model=solu-9l"]),
        ({"dataset": "stdlb"}, ["dataset=stdlb"]),
        ({"layers": "abc"}, ["neurons.layers=abc"]),
        ({"layers": 7}, ["neurons.layers=7"]),
        ({"per_layer": 0}, ["neurons.per_layer=0"]),
        ({"neurons": ["0.9999"]}, ["neurons.list=0.9999"]),
        ({"neurons": ["a"]}, ["neurons.list=[a]"]),
        ({"metrics": ["pearsn"]}, ["metrics=[pearsn]"]),
        ({"metrics": "pearsn"}, ["metrics=pearsn"]),
        ({"seed": "x"}, ["seed=x"]),
        ({"seed": -1}, ["seed=-1"]),
        ({"device": "tpu"}, ["device=tpu"]),
        ({"calibration": "lin"}, ["calibration=lin"]),
        ({"contexts": {"explan": 3}}, ["contexts.explan=3"]),
        ({"contexts": 3}, ["contexts=3"]),
        ({"explainer": "token_lookup", "options": {"min_count": 0}}, ["explainer.min_count=0"]),
        ({"tracking": "wndb"}, ["tracking=wndb"]),
        ({"model": "a/b/c"}, ["model=local", "model.source=a/b/c"]),
        ({"dataset": "no/such/file.txt"}, ["dataset=text", "dataset.path=no/such/file.txt"]),
    ],
    ids=str,
)
def test_a_mistake_is_told_in_the_words_of_the_command(
    settings: dict[str, Any], words: list[str], small: dict[str, Any], cache: Path
) -> None:
    base = {**small, "explainer": "token_lookup"}
    message = refusal(**{**base, **settings})
    before = [w for w in WORDS if "contexts" not in settings or not w.startswith("contexts.")]
    folders = (f"results_dir={base['results_dir']}", f"cache_dir={cache}")
    assert message == call("run", "explainer=token_lookup", *before, *folders, *words).message


def test_mistakes_that_only_python_can_make(small: dict[str, Any]) -> None:
    assert "may have lost a zero" in refusal(neurons=[3.4], **small)
    assert "did you mean 'layers'?" in refusal(layrs=[0], **small)
    assert "options=3 must be a dict" in refusal(options=3, **small)
    assert "of type object" in refusal(seed=object(), **small)
    assert "dry_run" in refusal(dry_run=True, **small)
    assert not Path(small["results_dir"]).exists()


def test_a_damaged_run_is_a_benchmark_error(finished: benchmark.Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    (copy / "scores.parquet").write_bytes(b"x")
    with pytest.raises(benchmark.BenchmarkError, match=r"scores\.parquet"):
        benchmark.load_runs(tmp_path)
    with pytest.raises(benchmark.BenchmarkError, match="does not exist"):
        benchmark.load_runs(tmp_path / "nowhere")
