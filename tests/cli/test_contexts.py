"""`show <run> <neuron>`: contexts with what the neuron does beside what is predicted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.evaluation.reopen import ReopenedRun, blocks_of, config_of
from benchmark.results import Run
from benchmark.terminal import table
from tests.command import Command, call

MARKED = re.compile(r"\[(-?\d\.\d\d)\|(-?\d\.\d\d)\]")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("contexts"), checkpoint, texts)


@pytest.fixture(scope="module")
def run(shared: Command) -> Run:
    return shared.finished("explainer=token_lookup")


def shown(run: Run, *words: str) -> str:
    layer, neuron = run.scores.neurons()[0]
    answer = call("show", str(run.folder), f"{layer}.{neuron}", "--no-direct", *words)
    assert answer.status == 0, answer.err
    return answer.out


def test_truth_and_prediction_are_those_of_the_cache_and_the_explanation(run: Run) -> None:
    parts = shown(run, "--contexts", "2").split("strongest held-out contexts\n")
    assert "top activating examples of the explain split" in parts[0]
    experiment = ReopenedRun(run).open(config_of(run))
    block = blocks_of(run, experiment)[0]
    truth = experiment.store.truth(block)
    profile = experiment.store.profiles([block.layer])[block.layer]
    largest = float(profile.max_activation[block.neurons[0]])
    text = truth.tokens[truth.top[0]] != truth.bos
    peaks = (truth.top_activations[0].masked_fill(~text, 0).amax(1) / largest).tolist()
    held_out = parts[1].partition("\nword[")[0]
    # Every token that fires is followed by both numbers; the strongest one stands in front.
    heads = re.findall(r"(?m)^  (\d\.\d\d)  ", held_out)
    assert heads == [f"{peak:.2f}" for peak in peaks[:2]]
    strongest = max(float(true) for true, _ in MARKED.findall(held_out))
    assert strongest == pytest.approx(peaks[0], abs=0.006)
    saved = run.explanation(*run.scores.neurons()[0])
    explanation = ReopenedRun(run).restored(saved, experiment.subject)
    predicted = explanation.simulate(truth.tokens[truth.top[0, :2]]) / largest
    kept = sorted(f"{value:.2f}" for value in predicted[text[:2]].tolist() if value >= 0.06)
    listed = [prediction for _, prediction in MARKED.findall(held_out)]
    assert set(kept) <= set(listed)


def test_contexts_can_be_left_out_or_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(re.findall(r"(?m)^  \d\.\d\d  ", shown(run, "--contexts", "1"))) == 2
    from benchmark.evaluation import experiment as module

    def refused(*_: object) -> None:
        raise AssertionError("the subject was loaded")

    monkeypatch.setattr(module, "open_experiment", refused)
    for words in (("--no-contexts",), ("--contexts", "0")):
        assert "held-out contexts" not in shown(run, *words)


def test_the_subject_runs_where_nothing_is_cached(run: Run, tmp_path: Path) -> None:
    cold = shown(run, f"--cache-dir={tmp_path / 'cold'}")
    assert (tmp_path / "cold" / "uniform").is_dir()
    assert cold == shown(run)


def test_a_terminal_gets_shades_and_no_numbers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = shown(run)
    assert re.search(r"\x1b\[[0-9;]*48;5;\d+m", out)
    assert not MARKED.search(out)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()
    true = [line for line in lines if re.match(r" +(\d\.\d\d)? *true ", line)]
    predicted = [line for line in lines if re.match(r" +(-?\d\.\d\d)? *predicted ", line)]
    assert len(true) == len(predicted) >= 6
    assert [line[18:] for line in true] == [line[18:] for line in predicted]
    monkeypatch.setenv("NO_COLOR", "1")
    assert MARKED.search(shown(run))


def test_lines_fit_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "terminal_width", lambda: 80)
    monkeypatch.setattr("benchmark.cli.contexts.terminal_width", lambda: 80)
    out = shown(run)
    assert max(map(len, out.splitlines())) <= 80


def test_a_control_and_a_failure_have_contexts_too(command: Command) -> None:
    failing = command.finished("explainer._target_=tests.runs.methods.RaisesOnEven")
    trust = ("--trust", "tests.runs.methods.RaisesOnEven")
    for row in failing.scores.rows():
        name = f"{row['layer']}.{row['neuron']}"
        answer = call("show", str(failing.folder), name, "--no-direct", *trust)
        assert answer.status == 0, answer.err
        assert "strongest held-out contexts" in answer.out
        shown = answer.out.partition("\nword[")[0]
        if row["status"] == "failed":
            assert {number for _, number in MARKED.findall(shown)} == {"0.00"}


def test_one_line_where_the_text_is_gone(
    tmp_path: Path, checkpoint: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    gone = tmp_path / "texts"
    shutil.copytree(texts, gone)
    command = Command(tmp_path, checkpoint, gone)
    run = command.finished("explainer=zero")
    shutil.rmtree(gone)
    from benchmark.evaluation import experiment

    experiment._corpus.cache_clear()
    (line,) = [line for line in shown(run).splitlines() if line.startswith("contexts: ")]
    assert line.startswith("contexts: not known here: ")
    assert "does not exist" in line
