"""`show`: runs and neurons for a person."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.corpus.copies import copies
from benchmark.evaluation.reopen import ReopenedRun
from benchmark.results import Run
from explainers.n2g import N2GExplanation
from tests.command import Command, call


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("show"), checkpoint, texts)


@pytest.fixture(scope="module")
def run(shared: Command) -> Run:
    return shared.finished("explainer=token_lookup")


def test_a_run(run: Run) -> None:
    answer = call("show", str(run.folder))
    assert answer.status == 0
    assert answer.err == ""
    for part in (
        f"run {run.record.run_id}, finished",
        "command   python -m benchmark run",
        "subject   small (",
        "corpus    text, fingerprint",
        "explainer token_lookup (explainers.token_lookup.TokenLookup), evidence: exemplars+sample",
        "versions  python",
        "torch ",
        "by layer, on uniformly drawn contexts",
        "best neurons by pearson",
        "worst neurons by pearson",
    ):
        assert part in answer.out
    means, _ = answer.out.split("by layer, on uniformly drawn contexts")
    heading, shown = (
        next(line for line in means.splitlines() if line.split()[:1] == [word])
        for word in ("score", "pearson")
    )
    assert heading.index("95 % interval") < heading.index("over neurons")
    summary = run.record.metric("uniform/pearson")
    assert summary is not None
    assert summary.over == "neurons and documents"
    for low, high in ((summary.low, summary.high), summary.over_neurons()):
        assert f"[{low:.3f}, {high:.3f}]" in shown
    cosine = next(line for line in means.splitlines() if line.split()[:1] == ["cosine"])
    assert cosine.count("]ⁿ") == 1
    assert "ⁿ over neurons alone" in means
    r = run.scores.column("uniform/pearson")
    keys = run.scores.neurons()
    best, worst = keys[int(r.argmax())], keys[int(r.argmin())]
    tables = answer.out.split("neurons by pearson")
    assert f" {best[0]}.{best[1]} " in tables[1].splitlines()[4]
    assert f" {worst[0]}.{worst[1]} " in tables[2].splitlines()[4]
    # Beside a single neuron's r stands what it rests on.
    heading, row = tables[1].splitlines()[2], run.scores.rows()[int(r.argmax())]
    assert heading.split()[:6] == ["neuron", "pearson", "over", "documents", "effective", "tokens"]
    shown = tables[1].splitlines()[4]
    assert f"{row['uniform/effective_tokens']:,.1f}" in shown
    if row["uniform/pearson_low"] is not None:
        assert f"[{row['uniform/pearson_low']:.3f}, {row['uniform/pearson_high']:.3f}]" in shown
    assert call("show", str(run.folder / "run.json")).out == answer.out
    assert call("show", str(run.folder.parent)).out == answer.out  # the only run below


def test_a_neuron(run: Run) -> None:
    layer, neuron = run.scores.neurons()[3]
    answer = call("show", str(run.folder), f"{layer}.{neuron}")
    assert answer.status == 0
    assert f"neuron {layer}.{neuron} of small, explained by token_lookup" in answer.out
    assert "mean activation of" in answer.out
    row = run.scores.rows()[3]
    for name in ("pearson", "f1", "iou"):
        line = next(line for line in answer.out.splitlines() if line.strip().startswith(name))
        shown = line.split()[1:]
        sets = ("uniform", "novel", "uniform_small", "top", "top_and_random")
        values = [row[f"{each}/{name}"] for each in sets]
        assert shown == ["-" if value is None else f"{value:.3f}" for value in values]


def test_remarks_stand_below_the_text_and_are_no_part_of_it(shared: Command) -> None:
    found = shared.finished("explainer=n2g")
    saved = next(one for one in found.explanations() if one.explanation is not None)
    answer = call("show", str(found.folder), saved.name)
    explanation = ReopenedRun(found).explanation(saved)
    assert isinstance(explanation, N2GExplanation)
    remarks = explanation.remarks()
    assert "exemplars" in remarks
    assert f"\n{explanation.describe()}\n\n{remarks}\n" in answer.out
    assert "exemplars" not in explanation.describe()


def test_a_terminal_without_the_letters(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    layer, neuron = run.scores.neurons()[3]
    assert main(["show", str(run.folder), f"{layer}.{neuron}"]) == 0
    sys.stdout.flush()
    assert b"pearson" in written.getvalue()


def test_several_runs(shared: Command, run: Run) -> None:
    shared.finished("explainer=mean", "contexts.top=3")
    answer = call("show", str(shared.folder / "results"))
    assert answer.status == 0
    assert "token_lookup" in answer.out
    assert "mean" in answer.out
    heading = next(line for line in answer.out.splitlines() if line.startswith(" explainer"))
    assert heading.index("95 % interval") < heading.index("over neurons")
    sentence = copies(run.record.corpus.counts)
    assert sentence
    assert answer.out.index("bytes: of what simulates") < answer.out.index(sentence)
    assert answer.out.count(sentence) == 1


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("9.9", "has no layer 9, neuron 9; it has layers 0, 1."),
        ("0.999", "has no layer 0, neuron 999; it has neurons "),
        ("0", "'0' is no neuron; write <layer>.<neuron>, for example 3.400."),
        ("0.x", "'0.x' is no neuron"),
        ("-1.3", "'-1.3' is no neuron"),
    ],
)
def test_a_neuron_that_is_not_there(run: Run, word: str, part: str) -> None:
    assert part in call("show", str(run.folder), word).message


def test_places_without_a_run(shared: Command, run: Run, tmp_path: Path) -> None:
    assert "it has no run.json" in call("show", str(tmp_path)).message
    file = tmp_path / "file.txt"
    file.write_text("mine")
    assert "there is no run in" in call("show", str(file)).message


def test_an_explanation_whose_class_is_gone_or_cannot_speak(command: Command) -> None:
    run = command.finished("explainer._target_=tests.runs.methods.CannotDescribeAny")
    layer, neuron = run.scores.neurons()[0]
    trusted = ("--trust", "tests.runs.methods.CannotDescribeAny")
    message = call("show", str(run.folder), f"{layer}.{neuron}", *trusted).message
    assert "cannot describe" in message
    assert "words fail me" in message
    record = run.folder / "run.json"
    data = json.loads(record.read_text())
    data["explainer"]["options"]["_target_"] = "somewhere.Else"
    record.write_text(json.dumps(data))
    message = call("show", str(run.folder), f"{layer}.{neuron}").message
    assert "names the class 'somewhere.Else'" in message
    assert "neither an explainer of the benchmark nor an installed plug-in" in message
    message = call("show", str(run.folder), f"{layer}.{neuron}", "--trust=somewhere.Else").message
    assert "module 'somewhere' could not be imported" in message
    assert call("show", str(run.folder)).status == 0  # the scores need no class


def test_a_record_without_details_is_shown_all_the_same(command: Command) -> None:
    run = command.finished("explainer=zero", "metrics.metrics=[f1,cosine]")
    record = run.folder / "run.json"
    data = json.loads(record.read_text())
    for name in ("config", "environment", "command"):
        del data[name]
    record.write_text(json.dumps(data))
    answer = call("show", str(run.folder))
    assert answer.status == 0
    assert "best neurons by" in answer.out
