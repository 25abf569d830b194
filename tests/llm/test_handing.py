"""Explainers, simulators and scorers of whole runs that ask a language model."""

from __future__ import annotations

import json

import pytest

from benchmark.interface import Reply, Request
from benchmark.results import Run
from tests.command import Command, call, table
from tests.language_models import ScriptedModel, hand_out

ASKING = "tests.llm.asking"
WRITES, READS = f"explainer._target_={ASKING}.Writes", f"simulator._target_={ASKING}.Reads"
JUDGES = f"scorers.judged._target_={ASKING}.Judges"
MODEL = ("llm=openai", "llm.model=scripted")
TRUST = [word for one in ("Writes", "Reads", "Judges") for word in ("--trust", f"{ASKING}.{one}")]
NEURONS = 12


def letters(request: Request) -> str:
    """As many letters as the last number of a request, so that neurons differ."""
    return "x" * (1 + int(request.messages[-1].content.rpartition(".")[2].rpartition(" ")[2] or 0))


def answer(request: Request) -> str:
    text = request.messages[-1].content
    return f"neuron {text.split('.')[1]}" if text.startswith("write") else letters(request)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    made = ScriptedModel(answer)
    hand_out(made, monkeypatch)
    return made


@pytest.fixture
def run(command: Command, model: ScriptedModel) -> Run:
    return command.finished(WRITES, READS, JUDGES, *MODEL)


def test_explainer_simulator_and_scorer_ask_the_model_of_the_run(
    run: Run, model: ScriptedModel
) -> None:
    asked = [request.messages[-1].content.split()[0] for request in model.requests]
    assert {verb: asked.count(verb) for verb in ("write", "read", "judge")} == {
        "write": NEURONS,
        "read": NEURONS,
        "judge": NEURONS,
    }
    for row in run.scores.rows():
        assert row["judged/letters"] == 1 + row["neuron"]
        assert row["cost/llm_tokens"] == row["cost/simulate_llm_tokens"] == 4
    assert run.record.config["llm"]["model"] == "scripted"


def test_a_second_run_asks_nothing(run: Run, model: ScriptedModel, command: Command) -> None:
    before = model.asked
    again = command.finished(WRITES, READS, JUDGES, *MODEL, "fresh=true")
    assert model.asked == before
    unlike = ("seconds",)
    assert table(again, without=unlike) == table(run, without=unlike)


def test_a_finished_run_is_scored_again_without_the_model(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the configured server is used, and there is none
    answer = call("score", str(run.folder), "metrics=[pearson,cosine]", *TRUST)
    assert answer.status == 0, answer.err
    assert "largest difference 0" in answer.out


def test_what_is_not_kept_is_not_asked_of_a_server_that_a_file_names(
    run: Run, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody-may-have-it")
    (command.folder / "cache" / "llm" / "replies.sqlite").unlink()
    said = call("score", str(run.folder), "metrics=[pearson]", *TRUST).message
    assert "nothing is sent there" in said
    assert "--trust https://api.openai.com/v1" in said


def test_who_asks_needs_a_model(command: Command) -> None:
    way = "choose one: llm=openai llm.model=<name>, or llm=local llm.source=<hub id or folder>"
    assert command.run(WRITES, READS).message == f"explainer 'Writes' asks a language model; {way}."
    text = "explainer._target_=tests.runs.texts.Writes"
    said = command.run(text, READS).message
    assert said == f"simulator 'Reads' asks a language model; {way}."
    said = command.run("explainer=zero", JUDGES).message
    assert said == f"scorer 'judged' asks a language model; {way}."


def test_one_of_its_own(command: Command, model: ScriptedModel) -> None:
    text = "explainer._target_=tests.runs.texts.Writes"
    model._answer = lambda request: Reply("x")
    run = command.finished(text, READS, "simulator.llm.model=another")
    assert run.record.config["simulator"]["llm"] == {"model": "another"}
    said = command.run(text, READS, "simulator.llm.models=another").message
    assert "simulator.llm names no language model; give simulator.llm.source=" in said
    said = command.run(text, READS, "simulator.llm.model=a", "simulator.llm.retries=-1").message
    assert said == "simulator.llm.retries=-1 is too small; the smallest is 0."


def test_a_run_is_another_by_what_determines_the_answers_alone(run: Run, command: Command) -> None:
    same = ("llm.concurrency=2", "llm.api_key_variable=OTHER", "llm.max_tokens_total=1000000")
    answer = command.run(WRITES, READS, JUDGES, *MODEL, *same)
    assert answer.status == 0
    assert command.folders() == [run.folder]
    for other in ("llm.model=b", "llm.base_url=http://localhost:1/v1", "llm.parameters={top_p: 1}"):
        found = command.finished(WRITES, READS, JUDGES, *MODEL, other)
        assert found.folder.name != run.folder.name


def test_a_run_that_asks_no_model_is_what_it_was(command: Command) -> None:
    run = command.finished("explainer=zero")
    assert command.run("explainer=zero", *MODEL).status == 0
    assert command.folders() == [run.folder]
    journal = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert journal["config"]["llm"] == {
        "name": "none",
        "description": "no language model besides the subject",
    }
