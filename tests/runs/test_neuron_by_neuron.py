"""Explanations that cost hours or money: kept one by one, and no outage is paid for twice."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from benchmark.results import Run
from tests.command import Command, explanations, table
from tests.runs.test_interruption import Stopped
from tests.runs.unreliable import Down, OneByOne

UNRELIABLE = "explainer._target_=tests.runs.unreliable"
NAMES = ("seconds", "cost/subject_tokens")


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    OneByOne.calls.clear()
    Down.answers, Down.how = 10**6, "transient"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    command = Command(tmp_path_factory.mktemp("undisturbed"), checkpoint, texts)
    return command.finished(f"{UNRELIABLE}.OneByOne")


def asked(run: Run) -> list[str]:
    return [
        f"{layer}.{neuron}"
        for layer, some in run.record.neurons.per_layer.items()
        for neuron in some
    ]


def test_costs_by_name_are_columns(undisturbed: Run) -> None:
    rows = undisturbed.scores.rows()
    assert [row["cost/usd"] for row in rows] == [row["neuron"] / 100 for row in rows]
    assert [row["cost/llm_tokens"] for row in rows] == [row["neuron"] for row in rows]
    assert {row["cost/subject_tokens"] for row in rows} == {5}
    summary = undisturbed.record.metric("cost/usd")
    assert summary is not None
    assert summary.mean == pytest.approx(sum(row["neuron"] for row in rows) / 100 / len(rows))


@pytest.mark.slow
def test_killed_between_two_neurons_of_a_block_it_explains_only_the_rest(
    command: Command, undisturbed: Run
) -> None:
    names = asked(undisturbed)
    stopped = Stopped(command, names[2], explainer=f"{UNRELIABLE}.OneByOne")  # of a block of four
    status, _ = stopped.end(signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert command.folders() == []
    (journal,) = command.folder.rglob("explained-000000.jsonl")
    with open(journal, "ab") as file:  # and killed while it wrote the next one
        file.write(b"0123 {")
    run = command.finished(f"{UNRELIABLE}.OneByOne")
    assert OneByOne.calls == names[2:]
    assert table(run) == table(undisturbed)
    assert explanations(run) == explanations(undisturbed)
    assert run.record.run_id == undisturbed.record.run_id
    assert {path.name for path in run.folder.iterdir()} == {
        "run.json",
        "scores.parquet",
        "explanations.jsonl",
    }


@pytest.mark.parametrize("damaged", [0, 2])
def test_what_is_damaged_in_a_journal_is_explained_again(
    command: Command, undisturbed: Run, damaged: int
) -> None:
    names = asked(undisturbed)
    Down.answers = 3
    assert command.run(f"{UNRELIABLE}.Down").status == 1
    (journal,) = command.folder.rglob("explained-000000.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4  # the first says which run it belongs to
    lines[damaged + 1] = lines[damaged + 1].replace(b'"value":', b'"value":1')
    journal.write_bytes(b"".join(lines))
    OneByOne.calls.clear()
    Down.answers = 10**6
    run = command.finished(f"{UNRELIABLE}.Down")
    assert OneByOne.calls == names[damaged:]
    assert table(run, without=NAMES) == table(undisturbed, without=NAMES)


@pytest.mark.parametrize(
    ("method", "how", "calls", "kept"),
    [  # what yields, or explains alone, stops at the first; a list comes as a whole or not at all
        ("Down", "transient", 9, 8),
        ("Down", "connection", 9, 8),
        ("DownInAList", "transient", 10, 8),
        ("DownInAList", "time", 9, 6),
        ("DownAfterBreaking", "transient", 9, 8),
        ("DownAfterBreaking", "connection", 9, 8),
    ],
)
def test_an_outage_is_no_result_and_is_met_once(
    command: Command, undisturbed: Run, method: str, how: str, calls: int, kept: int
) -> None:
    """It comes within the third block, the first one of layer 1."""
    names = asked(undisturbed)
    Down.answers, Down.how = 8, how
    message = command.run(f"{UNRELIABLE}.{method}").message
    reason = "the endpoint is down" if how == "transient" else "no route"
    assert f"{method}' on layer 1: " in message
    assert reason in message
    left = f"{12 - kept} of 12 neurons are left. What is explained is kept; "
    assert f"{left}the same command tries again." in message
    assert len(OneByOne.calls) == calls
    assert command.folders() == []
    OneByOne.calls.clear()
    Down.answers = 10**6
    run = command.finished(f"{UNRELIABLE}.{method}")
    assert OneByOne.calls == names[kept:]
    assert run.record.neurons.coverage == 1
    assert all(row["error"] is None for row in run.scores.rows())
    assert table(run, without=NAMES) == table(undisturbed, without=NAMES)


def test_an_outage_from_the_first_neuron_on_is_one_call(command: Command) -> None:
    Down.answers = 0
    for _ in range(2):
        message = command.run(f"{UNRELIABLE}.Down").message
        assert "12 of 12 neurons are left" in message
    assert len(OneByOne.calls) == 2
    shuffled = ("explainer=shuffled", "~explainer.inner.evidence")
    message = command.run(*shuffled, "explainer.inner._target_=tests.runs.unreliable.Down").message
    assert "the endpoint is down" in message
    assert len(OneByOne.calls) == 3


@pytest.mark.parametrize("costs", ["{'usd': -1}", "{'usd': True}", "{'US $': 1}", "{'bytes': 1}"])
def test_a_cost_that_is_none_ends_the_run_in_words(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, costs: str
) -> None:
    name = f"costly_{re.sub('[^a-z]', '', costs.lower())}"
    (tmp_path / f"{name}.py").write_text(
        "from benchmark.interface import Explained\n"
        "from tests.runs.methods import Constant, Method\n"
        "class Costly(Method):\n"
        "    def one(self, neuron, evidence):\n"
        f"        return Explained(Constant(1.0), {costs})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    message = command.run(f"explainer._target_={name}.Costly").message
    assert f"explainer '{name}.Costly': cost " in message
