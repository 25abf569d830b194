"""Explanations that are text: a simulator, chosen of its own, predicts all tokens or a part."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from benchmark.evaluation.reopen import ReopenedRun, config_of
from benchmark.evaluation.simulate import simulate
from benchmark.interface import Failure
from benchmark.results import Run
from leaderboards.boards import build
from tests.command import Command, call, table
from tests.runs.texts import Reads, ReadsTheSmallSet, Writes

TEXTS = "tests.runs.texts"
EXPLAINER = f"explainer._target_={TEXTS}.Writes"
SIMULATOR = f"simulator._target_={TEXTS}.Reads"
TRUST = ("--trust", f"{TEXTS}.Writes", "--trust", f"{TEXTS}.Reads")
UNLIKE = ("seconds", "cost/", "error")


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    Reads.calls.clear()
    Reads.error, Writes.calls = None, 0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("simulators"), checkpoint, texts)


@pytest.fixture(scope="module")
def whole(shared: Command) -> Run:
    return shared.finished(EXPLAINER, SIMULATOR, "calibration=linear")


@pytest.fixture(scope="module")
def part(shared: Command) -> Run:
    return shared.finished(EXPLAINER, SIMULATOR, "+simulator.contexts=12", "calibration=linear")


@pytest.fixture(scope="module")
def programs(shared: Command) -> Run:
    """The same predictions by explanations that simulate themselves."""
    return shared.finished(f"explainer._target_={TEXTS}.WritesPrograms", "calibration=linear")


@pytest.fixture(scope="module")
def small(shared: Command) -> Run:
    """A run whose simulator predicts `uniform_small` alone."""
    ReadsTheSmallSet.asked.clear()
    words = (f"simulator._target_={TEXTS}.ReadsTheSmallSet", "calibration=linear")
    return shared.finished(EXPLAINER, *words)


def test_a_simulator_that_predicts_all_tokens_scores_like_a_program(
    whole: Run, programs: Run
) -> None:
    assert table(whole, without=UNLIKE) == table(programs, without=UNLIKE)
    assert whole.record.simulator is not None
    assert whole.record.simulator.name == "Reads"
    assert whole.record.simulator.target == f"{TEXTS}.Reads"
    assert programs.record.simulator is None
    assert "simulated_tokens" not in " ".join(programs.scores.columns)
    assert all(row["cost/simulated_tokens"] > 0 for row in whole.scores.rows())
    assert all(row["cost/simulate_llm_tokens"] > 0 for row in whole.scores.rows())


def test_only_predicted_tokens_are_scored(part: Run, whole: Run, shared: Command) -> None:
    """Held against the metrics of exactly these tokens, computed one neuron at a time."""
    import metrics

    reopened = ReopenedRun(part, [f"{TEXTS}.Writes", f"{TEXTS}.Reads"])
    experiment = reopened.open(config_of(part))
    saved = {(line.layer, line.neuron): line for line in part.explanations()}
    scored = {(row["layer"], row["neuron"]): row for row in part.scores.rows()}
    compared = 0
    for block in experiment.blocks():
        truth = experiment.store.truth(block)
        threshold = experiment.store.firing_thresholds(block)
        explanations = [
            reopened.restored(saved[block.layer, n], experiment.subject)
            for n in block.neurons.tolist()
        ]
        found = simulate(reopened.explainer, explanations, truth.tokens)
        assert found.predicted is not None
        assert found.predicted.shape == (1, *truth.tokens.shape)
        assert int(found.predicted[0].any(1).sum()) == 12
        assert torch.isfinite(found.predictions).all()
        assert truth.small is not None
        for scoring_set in ("uniform", "novel", "uniform_small", "top", "top_and_random"):
            rows = truth.rows(scoring_set)
            true = truth.activations(scoring_set)
            for i, neuron in enumerate(block.neurons.tolist()):
                text = (truth.tokens[rows[i]] != truth.bos) & (rows[i] < 12)[:, None]
                if scoring_set == "novel":
                    text &= truth.novel
                if scoring_set == "uniform_small":
                    text &= truth.small.text
                row = scored[block.layer, neuron]
                if not text.any():
                    assert row[f"{scoring_set}/pearson"] is None
                    assert row[f"{scoring_set}/undefined"] is False
                    continue
                want = metrics.compute(
                    ["pearson", "f1"],
                    true[i][text][None],
                    found.predictions[i][rows[i]][text][None],
                    threshold[i : i + 1],
                )
                for name, value in want.items():
                    have = row[f"{scoring_set}/{name}"]
                    assert (have is None) == bool(value.isnan())
                    assert have is None or have == pytest.approx(float(value), abs=1e-6)
                fires = (true[i] >= threshold[i]) & text
                assert row[f"{scoring_set}/positives"] == int(fires.sum())
                compared += 1
    assert compared > 24
    assert table(part, without=UNLIKE) != table(whole, without=UNLIKE)


def test_a_simulator_of_the_small_set_is_asked_for_it_alone(small: Run, programs: Run) -> None:
    run = small
    experiment = ReopenedRun(run, [f"{TEXTS}.Writes", f"{TEXTS}.ReadsTheSmallSet"]).open()
    (block, *_) = experiment.blocks()
    part = experiment.store.truth(block).small
    assert part is not None
    last = int(part.text.any(0).nonzero().max())
    held_out, calibrate = ReadsTheSmallSet.asked[:2]
    assert held_out == (len(part.rows), last + 1)
    # Of other text it is asked for as many contexts, however many there are.
    assert calibrate[0] == len(part.rows) == 8 < len(experiment.store.calibrate)
    assert calibrate[1] <= 16
    n_tokens = int(part.text.sum())
    assert run.record.corpus.counts["uniform_small_tokens"] == n_tokens
    same = {(row["layer"], row["neuron"]): row for row in programs.scores.rows()}
    for row in run.scores.rows():
        assert row["cost/simulated_tokens"] == n_tokens
        for name, value in row.items():
            group = name.partition("/")[0]
            if group == "uniform_small":
                assert value == same[row["layer"], row["neuron"]][name], name
            elif group in ("uniform", "novel", "top", "top_and_random"):
                assert value is None or name.endswith("/undefined")
            if name == "uniform_small_calibrated/pearson":
                assert value is not None
    summary = run.record.metric("uniform_small/pearson")
    assert summary is not None
    assert summary.over == "neurons and documents"
    assert summary == programs.record.metric("uniform_small/pearson")
    headline = run.record.metric("uniform/pearson")
    assert headline is not None
    assert headline.mean is None


def test_tables_that_mix_both_kinds_are_in_the_order_of_the_small_set(
    shared: Command, small: Run, programs: Run
) -> None:
    run = small
    n_tokens = run.record.corpus.counts["uniform_small_tokens"]
    assert run.record.small_alone
    assert run.scores.small_alone
    assert not programs.record.small_alone
    mean = run.record.metric("uniform_small/pearson").mean
    ended = call("show", str(run.folder), "--wide").out
    assert f"small r is measured on {n_tokens} tokens" in " ".join(ended.split())
    assert f"{mean:.3f}" in ended
    board = " ".join(call("leaderboard", str(shared.folder / "results")).out.split())
    assert f"small r is measured on {n_tokens} tokens" in board
    assert "predicted no other text" in board
    alone = " ".join(call("leaderboard", str(programs.folder)).out.split())
    assert "predicted no other text" not in alone
    assert f"uniform_small is measured on {n_tokens} tokens." in alone
    compared = call("compare", str(run.folder), str(programs.folder)).out
    assert "uniform_small/pearson" in compared
    (built, *_) = build([run, programs])
    assert built.ranked_by == "uniform_small/pearson"
    assert [row.key.mean for row in built.rows] == [mean, mean]
    (plain, *_) = build([programs])
    assert plain.ranked_by == "uniform/pearson"
    # Nobody can turn a table by a run that nobody has verified.
    (kept, *_) = build([programs, dataclasses.replace(run, unverified="nobody did")])
    assert kept.ranked_by == "uniform/pearson"


def test_a_set_that_is_none_is_refused(shared: Command) -> None:
    message = shared.run(EXPLAINER, f"simulator._target_={TEXTS}.ReadsNoSet").message
    assert f"scoring set of simulator '{TEXTS}.ReadsNoSet' 'uniform_tiny' is not known" in message


def test_tokens_that_differ_between_neurons(shared: Command) -> None:
    run = shared.finished(EXPLAINER, SIMULATOR, "+simulator.contexts=12", "+simulator.part=own")
    rows = run.scores.rows()
    assert all(row["uniform/effective_tokens"] is not None for row in rows)
    assert len({row["uniform/positives"] for row in rows}) > 1
    assert run.record.metric("uniform/pearson").over == "neurons"
    words = ("+simulator.contexts=12", "+simulator.part=own", "calibration=linear")
    assert "the same tokens of every neuron" in shared.run(EXPLAINER, SIMULATOR, *words).message


def test_causal_scores_need_every_token(shared: Command) -> None:
    words = ("+simulator.contexts=12", "metrics=causal")
    message = shared.run(EXPLAINER, SIMULATOR, *words).message
    assert "predicts only a part of them" in message


def test_who_simulates_is_a_part_of_the_run(whole: Run, part: Run, shared: Command) -> None:
    assert whole.record.run_id != part.record.run_id
    data = json.loads((part.folder / "run.json").read_text("utf-8"))
    assert data["simulator"]["options"]["contexts"] == 12
    assert data["config"]["simulator"]["name"] == "Reads"
    answer = shared.run(EXPLAINER, SIMULATOR, "calibration=linear")
    assert "explainer Writes, simulated by Reads, on subject" in answer.out
    assert "finished before" in answer.out
    assert Reads.calls == []
    shown = call("show", str(part.folder))
    assert f"simulator Reads ({TEXTS}.Reads)" in shown.out
    board = call("leaderboard", str(shared.folder / "results"))
    assert "Writes simulated by Reads (" in board.out
    assert "simulator.contexts=12" in board.out


def test_a_program_with_a_complete_text_can_be_read_by_a_simulator(shared: Command) -> None:
    counts = f"simulator._target_={TEXTS}.CountsCharacters"
    run = shared.finished("explainer=mean", counts)
    assert run.record.simulator is not None
    alone = shared.finished("explainer=mean")
    assert alone.record.run_id != run.record.run_id
    assert [row["uniform/undefined"] for row in alone.scores.rows()] == [True] * len(
        run.scores.rows()
    )
    assert not any(row["uniform/undefined"] for row in run.scores.rows())


def test_reopening_imports_a_simulator_only_where_it_is_trusted(part: Run) -> None:
    message = call("score", str(part.folder), "--trust", f"{TEXTS}.Writes").message
    assert f"names the class '{TEXTS}.Reads' (simulator.options._target_ of run.json)" in message
    before = table(part, without=("seconds",))
    answer = call("score", str(part.folder), *TRUST)
    assert answer.status == 0, answer.err
    assert Reads.calls
    assert Writes.calls == 0
    from benchmark.results import load_run

    assert table(load_run(part.folder), without=("seconds",)) == before
    # An explanation is shown without the simulator.
    neuron = before[0]
    name = f"{neuron['layer']}.{neuron['neuron']}"
    assert call("show", str(part.folder), name, "--trust", f"{TEXTS}.Writes").status == 0


@pytest.mark.parametrize(
    ("words", "part_of_message"),
    [
        ((EXPLAINER,), "so a simulator must predict from them; choose one: simulator._target_="),
        (("explainer=token_lookup", SIMULATOR), "their text is not complete; leave simulator= out"),
        ((EXPLAINER, "simulator=owm"), "simulator 'owm' is not known; did you mean 'own'?"),
        ((EXPLAINER, "simulator._target_=no.such.Class"), "simulator 'no.such.Class': module"),
        ((EXPLAINER, f"simulator._target_={TEXTS}.Text", "+simulator.text=x"), "has no 'simulate'"),
        ((EXPLAINER, SIMULATOR, "+simulator.contxts=3"), "could not be made: "),
        ((EXPLAINER, f"simulator._target_={TEXTS}.GivesATensor"), "it must give a Prediction"),
        ((EXPLAINER, f"simulator._target_={TEXTS}.GivesAWrongMask"), "'predicted' of shape [3]"),
    ],
)
def test_what_cannot_simulate(shared: Command, words: tuple[str, ...], part_of_message) -> None:
    message = shared.run(*words).message
    assert part_of_message in message


def test_a_text_that_cannot_be_read_is_a_failure_of_its_neuron(shared: Command) -> None:
    run = shared.finished(EXPLAINER, f"simulator._target_={TEXTS}.ReadsBadly")
    rows = run.scores.rows()
    texts = {(one.layer, one.neuron): one.explanation for one in run.explanations()}
    failed = [row for row in rows if row["status"] == "failed"]
    assert 0 < len(failed) < len(rows)
    assert all("cannot read it" in row["error"] for row in failed)
    assert all(texts[row["layer"], row["neuron"]] is None for row in failed)


def test_an_outage_of_a_simulator_keeps_the_explanations(shared: Command) -> None:
    words = (EXPLAINER, SIMULATOR, "seed=5")
    Reads.error = ConnectionError("no route")
    message = shared.run(*words).message
    assert "simulator 'tests.runs.texts.Reads': ConnectionError: no route. What is" in message
    assert (len(Reads.calls), Writes.calls) == (1, 1)
    Reads.error = None
    run = shared.finished(*words)
    assert Writes.calls == 4  # of four blocks the first was explained before
    assert run.record.neurons.coverage == 1


def test_failures_predict_zero_where_the_others_predict() -> None:
    from benchmark.evaluation.simulators import SimulatedExplainer
    from tests.runs.texts import Text

    tokens = torch.ones(3, 4).long()
    explainer = SimulatedExplainer(Writes(), lambda: Reads(contexts=2))
    found = simulate(explainer, [Failure("no"), Text("at 1")], tokens)
    assert found.predicted is not None
    assert found.predicted.tolist() == [[[True] * 4] * 2 + [[False] * 4]]
    assert not found.predictions[0].any()
    nothing = simulate(explainer, [Failure("no")], tokens)
    assert nothing.predicted is None


def test_a_program_hands_over_a_simulator_as_an_object(shared: Command) -> None:
    import benchmark

    pairs = [word.split("=", 1) for word in shared.small]
    settings = {key: int(value) if value.isdigit() else value for key, value in pairs}
    run = benchmark.run(Writes(), simulator=Reads(contexts=12), **settings)
    assert run.record.simulator.options["contexts"] == 12
    tokens = torch.ones(14, 4).long()
    predicted = run.explanation(run.neurons[0]).simulate(tokens)
    assert predicted.isnan().all(1).tolist() == [False] * 12 + [True] * 2
    experiment = benchmark.open_experiment(simulator=Reads(contexts=12), **settings)
    texts = [run.explanation(name).explanation for name in experiment.neurons]
    table = experiment.score([Writes.explanation_class(**text) for text in texts])
    ours = [row["uniform/pearson"] for row in table.rows()]
    assert ours == [row["uniform/pearson"] for row in run.scores.rows()]
