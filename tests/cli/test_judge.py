"""`judge`: a language model is asked about a finished run, once, and its scores are added."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.interface import Reply, Request, Usage
from benchmark.results import Run, load_run
from tests.command import Command, call, table
from tests.language_models import ScriptedModel, hand_out
from tests.scorers.judging.courts import digits, texts_of

MODEL = ("llm=openai", "llm.model=scripted")
FEW = ("scorers.detection.items=4", "scorers.fuzzing.items=4", "scorers.intruder.items=8")


def answer(request: Request) -> Reply:
    """Say yes to texts of many letters, and take the longest one for the intruder."""
    texts = texts_of(request)
    if "Find that text" in request.messages[0].content:
        longest = max(range(len(texts)), key=lambda place: len(texts[place]))
        return Reply(str(longest + 1), usage=Usage(10, 0, 1, 0.5))
    return digits([len(text) % 2 == 0 for text in texts], 0.9)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    made = ScriptedModel(answer)
    hand_out(made, monkeypatch)
    return made


@pytest.fixture
def run(command: Command) -> Run:
    return command.finished("explainer=n2g")


def own(run: Run, *groups: str) -> dict[str, list[object]]:
    return {
        name: run.scores.table.column(name).to_pylist()
        for name in run.scores.columns
        if name.partition("/")[0] in groups and "seconds" not in name
    }


def test_scores_of_judges_are_added_and_nothing_is_asked_twice(
    run: Run, model: ScriptedModel
) -> None:
    before = table(run)
    few = [word for word in FEW if "intruder" not in word]
    done = call("judge", str(run.folder), "--judge", "detection,fuzzing", *MODEL, *few)
    assert done.status == 0, done.err
    asked = len(model.requests)
    assert asked > 0
    judged = load_run(run.folder)
    assert judged.record.run_id == run.record.run_id
    for row, now in zip(before, table(judged), strict=True):
        assert {name: now[name] for name in row} == row
    rows = judged.scores.rows()
    assert any(row["detection/judge_auc"] is not None for row in rows)
    assert all(row["fuzzing/parse_failures"] == 0 for row in rows)
    tokens = sum(row["detection/judge_tokens"] + row["fuzzing/tokens"] for row in rows)
    assert tokens == sum(answer(request).usage.tokens for request in model.requests)
    assert re.search(r"^detection: AUC 0\.\d+, balanced accuracy 0\.\d+; \d+ windows", done.out)
    assert "judged detection" in call("show", str(run.folder), "--wide").out
    # The same again, and then another judge: what is there stays and is not asked anew.
    assert call("judge", str(run.folder), "--judge", "detection,fuzzing", *MODEL, *few).status == 0
    assert len(model.requests) == asked
    last = call("judge", str(run.folder), "--judge", "intruder", *MODEL, FEW[-1])
    assert last.status == 0, last.err
    both = load_run(run.folder)
    assert own(both, "detection", "fuzzing") == own(judged, "detection", "fuzzing")
    assert own(both, "intruder")
    assert all("Find that text" in one.messages[0].content for one in model.requests[asked:])


def test_a_run_with_judges_has_the_scores_of_one_that_is_judged_later(
    command: Command, run: Run, model: ScriptedModel
) -> None:
    words = ("scorer=[detection,fuzzing,intruder]", *FEW)
    at_once = command.finished("explainer=n2g", *words, *MODEL)
    asked = len(model.requests)
    assert call("judge", str(run.folder), *MODEL, *FEW).status == 0
    assert len(model.requests) == asked  # the same windows, explanations and questions
    groups = ("detection", "fuzzing", "intruder")
    assert own(load_run(run.folder), *groups) == own(at_once, *groups)


def test_an_interrupted_judge_leaves_the_run_and_asks_the_rest(
    run: Run, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    words = ("judge", str(run.folder), "--judge", "detection", *MODEL, FEW[0])

    def breaks(request: Request) -> Reply:
        if len(model.requests) > 5:
            raise BenchmarkError("the server is down.")
        return answer(request)

    monkeypatch.setattr(model, "_answer", breaks)
    assert "the server is down" in call(*words).message
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    monkeypatch.setattr(model, "_answer", answer)
    first = model.requests[:5]
    model.requests.clear()
    assert call(*words).status == 0
    assert model.requests
    assert not set(map(str, first)) & set(map(str, model.requests))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "scorer 'detection' asks a language model; choose one: llm=openai llm.model=<name>"),
        (("llm=none",), "judges ask a language model, and llm=none chooses none"),
        (("llm=openai",), "llm.model has no value"),
        (("--judge", "detecton"), "did you mean 'detection'?"),
        (("--judge", ","), "--judge names no judge; known: detection, fuzzing, intruder."),
        (("seed=3",), "'seed=3' cannot be changed when scoring again"),
        ((*MODEL, "scorers.detection.items=0"), "must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(
    shared_run: Run, words: tuple[str, ...], message: str
) -> None:
    before = {path.name: path.read_bytes() for path in shared_run.folder.iterdir()}
    assert message in call("judge", str(shared_run.folder), *words).message
    assert {path.name: path.read_bytes() for path in shared_run.folder.iterdir()} == before


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    command = Command(tmp_path_factory.mktemp("judged"), checkpoint, texts)
    return command.finished("explainer=mean")


def test_the_windows_of_a_judge_stand_nowhere_in_the_text_that_explainers_see(
    run: Run, model: ScriptedModel
) -> None:
    from benchmark.evaluation.reopen import ReopenedRun

    assert call("judge", str(run.folder), "--judge", "detection", *MODEL).status == 0
    experiment = ReopenedRun(run).open()
    tokenizer, splits = experiment.subject.tokenizer, experiment.corpus.splits
    held_out = [
        tokenizer.decode(row.tolist(), clean_up_tokenization_spaces=False)
        for row in splits["held_out"].tokens
    ]
    shown = {text for request in model.requests for text in texts_of(request)}
    assert shown
    assert all(any(text in row for row in held_out) for text in shown)
