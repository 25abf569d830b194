"""`run -m`: several runs in one command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.results import load_run
from tests.command import Command, call, table

METHODS = "tests.runs.methods"


def rows_of(out: str) -> list[str]:
    """The first cells of the table that a command ends with."""
    lines = out[out.rindex("─") :].splitlines()[1:]
    return [
        line.split()[0] for line in lines[: lines.index(next(x for x in lines if not x.strip()))]
    ]


def test_a_sweep_ends_with_one_table(command: Command) -> None:
    answer = command.run("-m", "explainer=zero,mean,token_lookup")
    assert answer.status == 0
    assert answer.err == ""
    assert answer.out.count("95 % interval") == 1
    assert rows_of(answer.out) == ["token_lookup", "zero", "mean"]
    assert "0 tables from the cache, 4 measured" in answer.out
    assert "4 tables from the cache, 0 measured" in answer.out
    assert "4 tables from the cache, 2 measured" in answer.out  # one asks for the sample
    assert {name.split("/")[0] for name in command.files()} == {"results", "cache"}
    alone = command.finished("explainer=mean", "fresh=true")
    swept = next(load_run(f) for f in command.folders() if f.parent.name == "mean")
    assert table(alone) == table(swept)
    # Each run's record holds the command that was typed.
    assert "explainer=zero,mean,token_lookup" in swept.record.command


def test_runs_of_one_explainer_are_named_by_what_differs(command: Command) -> None:
    """In the tables of `run` and `show`, and on a leaderboard of the same runs."""
    words = ("explainer=context_tree", "explainer.max_bytes=256,4096", "explainer.depth=3")
    answer = command.run("-m", *words)
    assert answer.status == 0, answer.err
    places = [str(folder) for folder in command.folders()]
    shown = call("show", str(command.folder / "results"))
    compared = call("compare", *places, "--resamples=50")
    board = call("leaderboard", *places)
    for text in (answer.out, shown.out, compared.out, board.out):
        for size in (256, 4096):
            assert f"context_tree (max_bytes={size})" in text
    alone = call("show", places[0])
    assert "context_tree (max_bytes" not in alone.out


def test_a_sweep_is_a_product(command: Command) -> None:
    answer = command.run("--multirun", "explainer=zero,mean", "neurons.layers=[0],[1]")
    assert answer.status == 0
    found = {
        (run.record.explainer.name, tuple(run.record.subject.layers))
        for run in map(load_run, command.folders())
    }
    assert found == {("zero", (0,)), ("zero", (1,)), ("mean", (0,)), ("mean", (1,))}


def test_a_failing_job_does_not_stop_the_others(command: Command) -> None:
    words = ("-m", "explainer=zero,oracle", "neurons.layers=[0],[7],[1]")
    answer = command.run(*words)
    assert answer.status == 1
    errors = [line for line in answer.err.splitlines() if line]
    assert len(errors) == 2
    assert all(line.startswith("error: layer 7 does not exist") for line in errors)
    assert rows_of(answer.out) == ["oracle", "oracle", "zero", "zero"]
    assert len(command.folders()) == 4


def test_classes_of_ones_own_are_told_apart(command: Command) -> None:
    words = ("-m", f"explainer._target_={METHODS}.Method,{METHODS}.Asks,{METHODS}.Faulty")
    answer = command.run(*words)
    assert answer.status == 1
    assert answer.err.startswith(f"error: explainer '{METHODS}.Faulty'")
    assert sorted(rows_of(answer.out)) == ["Asks", "Method"]


def test_a_fault_of_ours_in_a_sweep_is_not_passed_over(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import benchmark.scorers.simulation

    score = benchmark.scorers.simulation.score_block

    def broken(truth, prediction, threshold, names):
        if prediction.any():
            raise ZeroDivisionError("a fault of ours")
        return score(truth, prediction, threshold, names)

    monkeypatch.setattr(benchmark.scorers.simulation, "score_block", broken)
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        command.run("-m", "explainer=mean,zero")
    assert [folder.parent.name for folder in command.folders()] == ["zero"]


def test_a_plug_in_is_found_by_name(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package adds an explainer with an entry point and nothing else."""
    site = tmp_path / "site"
    information = site / "plugged-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[neuron_simulator_benchmark.explainers]\n"
        "plugged = plugged.inside:Theirs\n"
        "zero = plugged.inside:Theirs\n"
        "broken = plugged.nowhere:Theirs\n"
    )
    package = site / "plugged"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inside.py").write_text(
        "from tests.runs.methods import Method\nclass Theirs(Method):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(site))
    listed = call("list", "explainers")
    assert re.search(r"plugged +plug-in plugged\.inside\.Theirs", listed.out)
    assert len(re.findall(r"^  zero ", listed.out, re.MULTILINE)) == 1
    answer = command.run("explainer=plugged", "+explainer.value=2.5")
    assert answer.status == 0, answer.err
    (folder,) = command.folders()
    run = load_run(folder)
    assert run.record.explainer.name == "plugged"
    assert run.record.explainer.target == "plugged.inside.Theirs"
    assert run.explanation(*run.scores.neurons()[0]).explanation == {"value": 2.5}
    answer = command.run("-m", "explainer=plugged,token_lookup")
    assert answer.status == 0
    assert sorted(rows_of(answer.out)) == ["plugged", "token_lookup"]
    message = command.run("explainer=broken").message
    assert "module 'plugged.nowhere' could not be imported" in message
    message = command.run("explainer=pluged").message
    assert "did you mean 'plugged'?" in message
    # A name of this package's own is not taken over.
    assert command.finished("explainer=zero").record.explainer.control is True


def test_each_run_of_a_sweep_says_its_score_and_the_end_names_the_report(
    command: Command,
) -> None:
    answer = command.run("-m", "explainer=zero,token_lookup")
    blocks = answer.out.partition("95 % interval")[0].split("explainer ")[1:]
    runs = {run.record.explainer.name: run.record for run in map(load_run, command.folders())}
    assert len(blocks) >= 2
    for block, name in zip(blocks, ("zero", "token_lookup"), strict=False):
        summary = runs[name].metric("uniform/pearson")
        assert summary is not None
        assert f"  r = {summary.mean:.3f} [{summary.low:.3f}, {summary.high:.3f}]\n" in block
    assert answer.out.endswith("\n       python -m benchmark report results\n")
    report = call("report", "results", "--output", str(command.folder / "site"))
    assert report.status == 0, report.err
