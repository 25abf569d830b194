"""Runs are found by a folder above them, by their id, and by a part of their path."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.results import Run, load_run
from tests.command import Command, call

QUIET = ("--no-contexts", "--no-direct")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    command = Command(tmp_path_factory.mktemp("find"), checkpoint, texts)
    answer = command.run("-m", "explainer=zero,token_lookup")
    assert answer.status == 0, answer.err
    return command


@pytest.fixture
def runs(shared: Command, monkeypatch: pytest.MonkeyPatch) -> dict[str, Run]:
    monkeypatch.chdir(shared.folder)
    found = [load_run(folder.relative_to(shared.folder)) for folder in shared.folders()]
    return {run.record.explainer.name: run for run in found}


def name_of(run: Run) -> str:
    layer, neuron = run.scores.neurons()[0]
    return f"{layer}.{neuron}"


def words_for(run: Run) -> list[str]:
    """What means a run and no other one."""
    run_id = run.record.run_id
    return [
        str(run.folder),
        str(run.folder / "run.json"),
        str(run.folder.parent),
        run_id,
        run_id[:5],
        f"results/{run_id[:8]}",
        run.record.explainer.name,
        f"small/text/{run.record.explainer.name}",
        f"results/small/text/{run.record.explainer.name}/{run_id[:4]}",
        str(run.folder.parent.absolute() / run_id[:6]),
    ]


@pytest.mark.parametrize("at", range(10))
def test_one_run_is_found(runs: dict[str, Run], at: int) -> None:
    run = runs["token_lookup"]
    word, neuron = words_for(run)[at], name_of(run)
    answer = call("show", word, neuron, *QUIET)
    assert answer.status == 0, answer.err
    assert answer.out == call("show", str(run.folder), neuron, *QUIET).out
    assert answer.out.startswith(f"neuron {neuron} of small, explained by token_lookup\n")
    assert f"run {run.record.run_id}, finished" in call("show", word).out


def test_several_runs_are_listed_with_the_scores_of_the_neuron(runs: dict[str, Run]) -> None:
    neuron = name_of(runs["zero"])
    answer = call("show", "results", neuron)
    assert answer.status == 0, answer.err
    assert f"2 explanations of neuron {neuron}" in answer.out
    for run in runs.values():
        (line,) = [
            line for line in answer.out.splitlines() if line.split()[3:4] == [str(run.folder)]
        ]
        row = run.scores.rows()[0]
        characters = row["cost/characters"]
        assert line.split() == [
            *(run.record.explainer.name, "small", "text", str(run.folder)),
            f"{row['uniform/pearson']:.3f}",
            "-" if characters is None else f"{characters:.0f}",
        ]
    # The example to see more of is no control.
    assert answer.out.endswith(f"show {runs['token_lookup'].folder} {neuron}\n")


@pytest.mark.parametrize("verb", ["search", "similar", "score", "sanity"])
def test_a_verb_for_one_run_lists_the_candidates(runs: dict[str, Run], verb: str) -> None:
    answer = call(verb, "results", *(["x"] if verb == "search" else []))
    assert answer.message == "'results' means 2 runs, listed above; name one of them."
    assert all(f" {run.folder} " in answer.out for run in runs.values())


def test_a_neuron_that_only_one_run_has_is_shown_from_it(
    runs: dict[str, Run], command: Command
) -> None:
    (layer, one), (_, other) = runs["zero"].scores.neurons()[:2]
    for explainer, neuron in (("zero", one), ("token_lookup", other)):
        command.finished(f"explainer={explainer}", f"neurons.list=[[{layer},{neuron}]]")
    answer = call("show", str(command.folder / "results"), f"{layer}.{other}", *QUIET)
    assert answer.status == 0, answer.err
    assert answer.out.startswith(f"neuron {layer}.{other} of small, explained by token_lookup\n")
    message = call("show", str(command.folder / "results"), "7.7").message
    assert "has neuron 7.7; " in message
    assert message.endswith(", for example.")


def test_several_runs_can_be_named_for_verbs_that_take_several(runs: dict[str, Run]) -> None:
    ids = [run.record.run_id[:6] for run in runs.values()]
    assert call("compare", *ids, "--resamples", "20").status == 0
    assert call("compare", "results", "--resamples", "20").status == 0
    both = call("show", *(str(run.folder) for run in runs.values()))
    assert both.status == 0, both.err
    assert both.out == call("show", "results").out


@pytest.mark.parametrize("word", ["nowhere", "0000", "small/nothing", "results/ffff", "../x"])
def test_what_is_nowhere_is_said_to_be(runs: dict[str, Run], word: str) -> None:
    message = call("show", word).message
    assert message == f"there is no run in '{word}': the folder does not exist."


def test_a_run_that_cannot_be_read_is_named_among_others(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree("results", copy)
    bad = next(copy.rglob("zero/*/scores.parquet"))
    bad.write_bytes(b"PAR1")
    answer = call("show", str(copy), name_of(runs["zero"]), *QUIET)
    assert answer.status == 0
    assert f"left out: '{bad}' is not the file" in answer.err
    assert "explained by token_lookup" in answer.out
