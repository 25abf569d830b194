"""Judges that are perfect, constant, unsure or talkative score what they must."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmark.errors import BenchmarkError
from benchmark.interface import NeedsLanguageModel, Reply, Request, Scorer
from benchmark.scorers.judging.answers import read_answer
from benchmark.scorers.judging.detection import Detection
from benchmark.scorers.judging.fuzzing import Fuzzing
from benchmark.scorers.judging.intruder import Intruder
from benchmark.scorers.judging.items import ItemDraw
from benchmark.scorers.judging.judge import Judge
from tests.language_models import ScriptedModel
from tests.scorers.judging.courts import (
    EXPLANATION,
    Text,
    checks_marks,
    court,
    detects,
    digits,
    failed,
    finds_intruder,
    is_marked_right,
    planted,
    texts_of,
)

PERFECT: dict[type[Judge], Callable[[Request], Reply]] = {
    Detection: detects,
    Fuzzing: checks_marks,
    Intruder: finds_intruder,
}
JUDGES = list(PERFECT)


def judged(judge: Judge, answer: Any, block: Any = None) -> tuple[dict[str, list[Any]], Any]:
    model = ScriptedModel(answer)
    judge.use_language_model(model)
    found = judge.score(block or court(planted()))
    assert list(found) == [column.name for column in judge.columns()]
    short = {name.partition("/")[2].removeprefix("judge_"): one for name, one in found.items()}
    return short, model


@pytest.mark.parametrize("kind", JUDGES)
def test_a_perfect_judge_of_a_true_explanation_scores_one(kind: type[Judge]) -> None:
    assert isinstance(kind(), Scorer)
    assert isinstance(kind(), NeedsLanguageModel)
    found, model = judged(kind(items=12), PERFECT[kind])
    assert found["auc"] == found["balanced_accuracy"] == [1.0, 1.0]
    assert found["parse_failures"] == [0, 0]
    assert found["constant"] == [False, False]
    assert min(found["judged"]) > 10
    half = len(model.requests) // 2
    paid = [sum(PERFECT[kind](one).usage.tokens for one in model.requests[:half])]
    assert found["tokens"][0] == paid[0]
    for request in model.requests:
        assert (EXPLANATION in request.messages[-1].content) == kind.reads_explanation
        assert request.temperature == 0
        assert request.top_logprobs > 1


@pytest.mark.parametrize("kind", [Detection, Fuzzing])
@pytest.mark.parametrize("value", [True, False])
def test_a_constant_judge_scores_a_half_and_is_flagged(kind: type[Judge], value: bool) -> None:
    found, _ = judged(kind(items=12), lambda request: digits([value] * len(texts_of(request)), 0.7))
    assert found["auc"] == found["balanced_accuracy"] == [0.5, 0.5]
    assert found["constant"] == [True, True]


def test_who_names_always_the_same_number_is_no_better_than_chance() -> None:
    found, _ = judged(
        Intruder(items=400),
        lambda _: Reply("2", logprobs=({"2": -0.1},)),
        court(planted(0, 1, 900)),
    )
    assert found["auc"][0] == pytest.approx(0.5, abs=0.12)
    assert found["balanced_accuracy"][0] == pytest.approx(0.5, abs=0.12)


def test_scores_are_those_of_scikit_learn_also_with_ties() -> None:
    draw = np.random.default_rng(0)
    seen: list[tuple[bool, float]] = []

    def answer(request: Request) -> Reply:
        replies = []
        for text in texts_of(request):
            right = "w7" in text.split()
            probability = int(right + draw.integers(1, 4)) / 5  # of few values: there are ties
            seen.append((right, probability))
            replies.append(probability)
        said = ",".join(str(int(one >= 0.5)) for one in replies)
        logprobs: list[dict[str, float]] = []
        for one in replies:
            logprobs += [{" 1": float(np.log(one)), "0": float(np.log(1 - one))}, {",": 0.0}]
        return Reply(said, logprobs=tuple(logprobs[:-1]))

    found, _ = judged(Detection(items=20), answer, court(planted(0, 1)))
    labels, values = zip(*seen, strict=True)
    assert found["auc"] == [pytest.approx(roc_auc_score(labels, values), abs=1e-6)]
    said = [value >= 0.5 for value in values]
    assert found["balanced_accuracy"] == [pytest.approx(balanced_accuracy_score(labels, said))]


def test_without_probabilities_there_is_no_auc() -> None:
    def answer(request: Request) -> Reply:
        assert request.top_logprobs == 0
        return digits(["w7" in text.split() for text in texts_of(request)])

    block = court(planted(), [Text(), failed()])
    found, _ = judged(Detection(items=12, log_probabilities=False), answer, block)
    assert found["auc"] == [None, None]  # not even of what is a half for want of an explanation
    assert found["balanced_accuracy"] == [1.0, 0.5]


def test_what_cannot_be_read_is_counted_and_not_guessed() -> None:
    asked = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        texts = texts_of(request)
        if len(asked) % 2:
            return Reply(f"I think it is {','.join('1' * len(texts))}, because")
        return detects(request)

    found, _ = judged(Detection(items=12), answer, court(planted(0, 1)))
    failures = sum(len(texts_of(one)) for one in asked[::2])
    assert found["parse_failures"] == [failures]
    assert found["judged"] == [24 - failures]
    assert found["auc"] == found["balanced_accuracy"] == [1.0]
    none, _ = judged(Detection(items=12), lambda _: "", court(planted(0, 1)))
    assert none["auc"] == none["balanced_accuracy"] == [None]
    assert none["parse_failures"] == [24]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,0,1", [True, False, True]),
        ("[1, 0, 1]", [True, False, True]),
        ("101\n", [True, False, True]),
        ("1,0", None),
        ("1,0,1,1", None),
        ("1,0,2", None),
        ("yes,no,yes", None),
        ("Answers: 1,0,1", None),
        ("", None),
    ],
)
def test_answers_are_read_or_refused(text: str, said: list[bool] | None) -> None:
    judge = Detection(items=2, at_once=3)
    questions = judge._asked(court(planted()), 0)
    assert questions is not None
    found = read_answer(questions[0], Reply(text))
    assert (None if found is None else [one.said for one in found]) == said


@pytest.mark.parametrize("kind", JUDGES)
def test_a_neuron_without_an_explanation_is_asked_of_nobody_unless_none_is_read(
    kind: type[Judge],
) -> None:
    found, model = judged(kind(items=12), PERFECT[kind], court(planted(), [failed(), Text()]))
    alone, other = judged(kind(items=12), PERFECT[kind], court(planted(), [failed(), failed()]))
    if kind is Intruder:
        assert found["auc"] == [1.0, 1.0]
        assert len(other.requests) == len(model.requests)
        return
    assert found["auc"] == found["balanced_accuracy"] == [0.5, 1.0]
    assert found["tokens"][0] == 0
    assert other.requests == []
    assert alone["balanced_accuracy"] == [0.5, 0.5]


@pytest.mark.parametrize("kind", JUDGES)
def test_the_windows_are_held_out_ones_and_the_same_for_every_explanation(
    kind: type[Judge],
) -> None:
    truth = planted()
    _, one = judged(kind(items=12), PERFECT[kind], court(truth))
    _, other = judged(kind(items=12), PERFECT[kind], court(truth, [Text("otherwise")] * 2))
    texts = [[texts_of(request) for request in model.requests] for model in (one, other)]
    assert texts[0] == texts[1]
    held_out = [" ".join(f"w{token}" for token in row) for row in truth.tokens.tolist()]
    for text in (text for some in texts[0] for text in some):
        words = " ".join(text.replace("⟦", " ").replace("⟧", " ").split())
        assert any(f"{words} " in f"{row} " for row in held_out)


def test_wrong_marks_are_as_many_as_right_ones_and_never_right() -> None:
    _, model = judged(Fuzzing(items=40), checks_marks, court(planted(3, 1, 400)))
    right, wrong = [], []
    for request in model.requests:
        for text in texts_of(request):
            marked = " ".join(re.findall("⟦(.*?)⟧", text)).split()
            words = text.replace("⟦", " ").replace("⟧", " ").split()
            assert marked
            is_right = is_marked_right(text)
            assert is_right or "w7" not in marked
            (right if is_right else wrong).append((len(marked), "w7" in words))
    assert len(right) == 40
    assert len(wrong) == pytest.approx(40, abs=2)
    assert np.mean([n for n, _ in wrong]) == pytest.approx(np.mean([n for n, _ in right]), rel=0.2)
    inside = np.mean([fires for _, fires in wrong])  # wrong marks where the neuron fires elsewhere
    assert inside == pytest.approx(0.5, abs=0.1)


def test_marks_are_the_tokens_that_fire() -> None:
    truth = planted()
    draw = ItemDraw(truth, ("uniform", "top"), 8)
    items = draw.of(0, 0.5, "3.0", 10)
    for fires, row, start, stop in zip(
        draw.firing(0, 0.5, items), items.rows, items.starts, items.stops, strict=True
    ):
        assert fires.tolist() == (truth.tokens[row, start:stop] == 7).tolist()


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Detection, {"items": 0}), (Fuzzing, {"window": 1.5}), (Intruder, {"at_once": 1})],
)
def test_options_that_cannot_be(kind: type[Judge], options: dict[str, Any]) -> None:
    with pytest.raises(BenchmarkError, match="must be a whole number of at least"):
        kind(**options)


def test_a_long_explanation_is_cut() -> None:
    block = court(planted(0, 1), [Text("long " * 1000)])
    _, model = judged(Detection(items=2, max_characters=50), detects, block)
    shown = model.requests[0].messages[-1].content.partition("\n\n")[0]
    assert shown == "Explanation: " + ("long " * 10) + " ..."
