"""A neuron that cannot be explained is a row that scores as zero, and costs no other anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.results import Run
from tests.command import DEAD, Command, call, explanations, table
from tests.runs.methods import Constant, Method, Passing

METHODS = "explainer._target_=tests.runs.methods"
COSTS_AND_TEXTS = ("seconds", "cost/", "status", "error")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("failures"), checkpoint, texts)


@pytest.fixture(scope="module")
def zero(shared: Command) -> Run:
    return shared.finished("explainer=zero")


@pytest.fixture(scope="module")
def ones(shared: Command) -> Run:
    return shared.finished(f"{METHODS}.Method")


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("RaisesOnEven", "ValueError: neuron {} is even"),
        ("FailsOnEven", "{} is even"),
        ("UnsaveableOnEven", "cannot be saved"),
        ("NotAThingOnEven", "cannot be saved"),
        ("RaisesInSimulationOnEven", "RuntimeError: {} cannot be simulated"),
        ("PredictsNotANumberOnEven", "not finite"),
        ("PredictsOneNumberOnEven", "shape [3]"),
    ],
)
def test_a_bad_neuron_costs_no_other_its_result(
    shared: Command, zero: Run, ones: Run, method: str, reason: str
) -> None:
    run = shared.finished(f"{METHODS}.{method}")
    rows = run.scores.rows()
    even = [row for row in rows if row["neuron"] % 2 == 0]
    odd = [row for row in rows if row["neuron"] % 2]
    assert even
    assert odd
    assert run.record.neurons.explained == len(odd)
    assert run.record.neurons.coverage == len(odd) / len(rows)
    assert all(row["status"] == "failed" and row["cost/bytes"] == 0 for row in even)
    assert all(reason.format(row["neuron"]) in row["error"] for row in even)
    assert all(row["status"] == "ok" and row["error"] is None for row in odd)
    like = {row["neuron"]: row for row in table(zero, without=COSTS_AND_TEXTS) if row["layer"] == 0}
    good = {row["neuron"]: row for row in table(ones, without=COSTS_AND_TEXTS) if row["layer"] == 0}
    for row in table(run, without=COSTS_AND_TEXTS):
        if row["layer"] == 0:
            assert row == (good if row["neuron"] % 2 else like)[row["neuron"]]
    for line in explanations(run):
        assert line["status"] == ("ok" if line["neuron"] % 2 else "failed")
        assert ("explanation" in line) == bool(line["neuron"] % 2)
        assert ("error" in line) != bool(line["neuron"] % 2)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("ForgetsOne", "gave 0 explanations for 1 neurons"),
        ("GivesNothing", "'NoneType' object is not iterable"),
        ("GivesText", "'str' object has no attribute 'to_dict'"),
        ("FailsSilently", "gave no reason"),
        ("EndsTheProgram", "SystemExit: 0 (it would have ended the program)"),
        ("LooksForWeights", "the subject that explainers are given has no 'model'"),
        ("PredictsNothing", "simulate gave a meta tensor"),
    ],
)
def test_a_method_that_fails_on_everything_is_no_result_and_is_tried_again(
    shared: Command, method: str, reason: str
) -> None:
    before = shared.folders()
    for _ in range(2):
        message = shared.run(f"{METHODS}.{method}").message
        assert f"explainer '{method}' explained none of 12 neurons" in message
        assert "The first, 0." in message
        assert reason in message
        assert "The same command tries again." in message
    assert shared.folders() == before
    (kept,) = (shared.folder / "results").glob(f"**/{method}/*/unfinished/failures.jsonl")
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 12
    assert all(reason in line["error"] for line in lines)
    assert not list(kept.parent.glob("block-*"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BenchmarkError("this method wants another subject"), "this method wants another subject"),
        (ConnectionError("no route to the hub"), "ConnectionError: no route to the hub"),
        (ModuleNotFoundError("No module named 'spacy'"), "No module named 'spacy'"),
        (MemoryError(), "out of memory"),
    ],
)
def test_a_cause_that_passes_is_no_result(
    shared: Command, ones: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """The third block meets it: two are kept, and the same command ends as if nothing was."""
    blocks = []

    def fails(self, evidence, subject):
        blocks.append(evidence.layer)
        if len(blocks) == 3:
            raise error
        return [Constant(1.0) for _ in evidence.neurons]

    monkeypatch.setattr(Passing, "explain", fails)
    name = f"{METHODS}.Passing"
    words = (name, f"+explainer.value={abs(hash(reason)) % 10**6}")
    before = shared.folders()
    assert reason in shared.run(*words).message
    assert shared.folders() == before
    run = shared.finished(*words)
    assert run.record.timings["resumed_blocks"] == 2
    assert run.record.neurons.coverage == 1
    assert table(run, without=COSTS_AND_TEXTS) == table(ones, without=COSTS_AND_TEXTS)


def test_a_sweep_goes_on_after_a_method_that_explains_nothing(shared: Command) -> None:
    answer = shared.run("-m", f"{METHODS}.GivesNothing,tests.runs.methods.Method", "contexts.top=2")
    assert answer.status == 1
    assert "explained none of 12 neurons" in answer.err
    assert "Method" in answer.out
    assert " 100% " in answer.out


def test_what_one_explainer_does_to_its_evidence_and_text_reaches_no_other(
    shared: Command,
) -> None:
    """The runs of a sweep share a subject and a corpus, and evidence by way of the cache."""
    words = ("contexts.sample=40", "neurons.per_layer=5")
    alone = shared.finished("explainer=token_lookup", *words)
    (shared.folder / "cache").rename(shared.folder / "cache_before")
    answer = shared.run("-m", f"{METHODS}.SpoilsAll", "+explainer.value=1,2", *words, "fresh=true")
    assert answer.status == 0, answer.err
    again = shared.finished("explainer=token_lookup", *words, "fresh=true")
    assert table(again) == table(alone)
    assert again.record.subject.fingerprint == alone.record.subject.fingerprint


def test_an_explainer_that_changes_what_is_shared_ends_with_its_name(shared: Command) -> None:
    before = shared.folders()
    message = shared.run(f"{METHODS}.ChangesTheDefaultDevice").message
    assert "ChangesTheDefaultDevice' changes torch's default device while it explains" in message
    assert shared.folders() == before


def test_a_block_that_breaks_is_asked_again_one_by_one(shared: Command) -> None:
    Method.calls.clear()
    run = shared.finished(f"{METHODS}.RaisesOnEven", "contexts.top=3", "neurons.layers=0")
    together = [one for _, some in Method.calls if len(some) > 1 for one in some]
    single = [neurons[0] for _, neurons in Method.calls if len(neurons) == 1]
    assert sorted(together) == sorted(single) == run.record.neurons.per_layer[0]


def test_a_dead_neuron_that_is_named_is_a_failed_row(shared: Command, ones: Run) -> None:
    layer, neuron = DEAD
    living = ones.record.neurons.per_layer[layer][0]
    Method.calls.clear()
    run = shared.finished(f"{METHODS}.Method", f"neurons.list=[[1,{neuron}],[1,{living}]]")
    assert Method.calls == [(1, [living])]
    rows = {row["neuron"]: row for row in run.scores.rows()}
    dead = rows[neuron]
    assert dead["status"] == "failed"
    assert "dead" in dead["error"]
    assert run.record.neurons.coverage == 0.5
    assert dead["uniform/pearson"] == 0
    assert dead["uniform/undefined"] is True
    # It fires nowhere, so that what asks for firing tokens cannot be computed.
    assert all(
        dead[f"{each}/{name}"] is None
        for each in ("uniform", "top")
        for name in ("f1", "auprc", "iou")
    )
    shown = call("show", str(run.folder), f"1.{neuron}")
    assert shown.status == 0
    assert "failed: dead" in shown.out


def test_a_method_that_breaks_the_interface_ends_with_one_message(shared: Command) -> None:
    message = shared.run(f"{METHODS}.WantsMore").message
    assert "asks for evidence 'everything'; it can be exemplars or exemplars+sample" in message
    message = shared.run(f"{METHODS}.Faulty").message
    assert "simulate_block gave shape [2]" in message
    before = shared.files()
    assert not [name for name in before if "/Faulty/" in name and name.endswith("run.json")]
    again = shared.run(f"{METHODS}.Faulty").message
    assert again == message
