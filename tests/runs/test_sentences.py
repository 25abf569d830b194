"""Whole runs of sentences: written by a scripted language model, or by somebody, and simulated."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.interface import Reply
from benchmark.results import Run, find_runs, load_run
from benchmark.subject.planted import RULES, STRENGTHS, WORDS, planted_tokenizer
from explainers.llm.style import style_names
from tests.command import Answer, call, table
from tests.language_models import ScriptedModel, hand_out

MODEL = ("llm=openai", "llm.model=scripted")
SIZES = (
    "context_length=24",
    "contexts.explain=300",
    "contexts.sample=60",
    "contexts.held_out=150",
    "contexts.uniform=120",
    "contexts.calibrate=60",
    "contexts.top=4",
    "neurons.list=['0.0','0.1','0.6','0.7']",
    "bootstrap.resamples=100",
    "bootstrap.document_resamples=20",
    "device=cpu",
)
IDS = planted_tokenizer().get_vocab()
BOS = IDS["<bos>"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents in which the rules' words are common, each one context long or longer."""
    folder = tmp_path_factory.mktemp("sentences") / "texts"
    folder.mkdir()
    rng = random.Random(0)
    words = [word for rule in RULES for word in rule.words]
    words += WORDS[: len(words)]
    for number in range(80):
        (folder / f"{number}.txt").write_text(" ".join(rng.choices(words, k=160)))
    return folder


class Folder:
    """Runs on the planted subject."""

    def __init__(self, folder: Path, texts: Path) -> None:
        self.folder = folder
        self.words = (
            "model=planted", "dataset=text", f"dataset.path={texts}", *SIZES,
            f"results_dir={folder}/results", f"cache_dir={folder}/cache",
        )  # fmt: skip

    def call(self, *words: str) -> Answer:
        return call("run", *self.words, *words)

    def run(self, *words: str) -> Run:
        before = set(self.runs())
        answer = self.call(*words)
        assert answer.status == 0, answer.err
        (new,) = set(self.runs()) - before
        return load_run(new)

    def runs(self) -> list[Path]:
        results = self.folder / "results"
        return find_runs([results]) if results.exists() else []


@pytest.fixture
def runs(tmp_path: Path, texts: Path) -> Folder:
    return Folder(tmp_path, texts)


def firing(neuron: int, words: list[str]) -> list[bool]:
    """Where the rule of a planted neuron holds, of a text without BOS."""
    rule = RULES[neuron]
    tokens = torch.tensor([[BOS, *(IDS.get(word, IDS["<unk>"]) for word in words)]])
    return rule.holds(tokens, [IDS[word] for word in rule.words], BOS)[0, 1:].tolist()


def named(text: str) -> int:
    """The neuron that a sentence such as `rule 6` names."""
    return int(re.findall(r"rule ([0-9]+)", text)[-1])


def perfect_labels(request):
    """Level 10 where the rule holds that the last sentence of the prompt names."""
    words = [piece.strip("\n\t ") for piece in request.pieces]
    highest = len(request.labels) - 1
    levels = [highest * fires for fires in firing(named("rule 0" + request.prefix), words)]
    return torch.eye(len(request.labels))[levels]


def constant_labels(request):
    return torch.eye(len(request.labels))[[3] * len(request.pieces)]


def which_rule(request) -> str:
    """The sentence that names the rule of the neuron that a prompt is about: the strongest."""
    records = request.messages[-1].content.partition("The same texts")[0]
    scores = {}
    for neuron in (0, 1, 6, 7):
        right = 0
        for record in re.findall(r"<start>\n(.*?)\n<end>", records, re.DOTALL):
            pairs = [line.rpartition("\t") for line in record.splitlines()]
            fires = firing(neuron, [word.strip() for word, _, _ in pairs])
            levels = [level for _, _, level in pairs]
            right += sum(fire == (level == "10") for level, fire in zip(levels, fires, strict=True))
        scores[neuron] = right
    return f"rule {max(scores, key=scores.__getitem__)}"


def perfect_json(request) -> str:
    asked = json.loads(request.messages[-1].content)
    fires = firing(named(asked["looks for"]), [token.strip() for token in asked["tokens"]])
    pairs = zip(asked["tokens"], fires, strict=True)
    return json.dumps({"levels": [{"token": t, "level": 10 * fire} for t, fire in pairs]})


def answer(request) -> str:
    return perfect_json(request) if "JSON" in request.messages[0].content else which_rule(request)


@pytest.fixture
def perfect(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    model = ScriptedModel(answer, perfect_labels)
    hand_out(model, monkeypatch)
    return model


def test_a_perfect_model_writes_and_simulates_planted_neurons(
    runs: Folder, perfect: ScriptedModel
) -> None:
    """A planted neuron is 0 or its largest activation, levels 0 and 10: nothing is lost."""
    words = ("simulator=all_at_once", "calibration=linear", "metrics=[pearson,r2]")
    run = runs.run("explainer=llm", *words, *MODEL)
    sentences = {line.neuron: line.explanation for line in run.explanations()}
    for row in run.scores.rows():
        neuron = row["neuron"]
        assert sentences[neuron]["text"] == f"rule {neuron}"
        assert sentences[neuron]["max_activation"] == STRENGTHS[neuron]
        assert row["uniform_small/pearson"] == pytest.approx(1, abs=1e-6)
        assert row["uniform_small_calibrated/r2"] == pytest.approx(1, abs=1e-6)
        assert row["uniform/pearson"] is None
        assert row["cost/llm_requests"] == 1
        assert row["cost/llm_tokens"] > 0
        assert row["cost/simulate_llm_requests"] > 0
        assert row["cost/simulate_unread_tokens"] == 0
    asked = [len(messages.messages) for messages in perfect.requests]
    assert len(asked) == 4  # of all neurons once
    told = call("show", str(run.folder)).out
    assert "simulator all_at_once" in told


def test_a_constant_model_scores_zero_and_is_flagged(
    runs: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_out(ScriptedModel(which_rule, constant_labels), monkeypatch)
    run = runs.run("explainer=llm", "simulator=all_at_once", *MODEL)
    for row in run.scores.rows():
        assert row["uniform_small/pearson"] == 0
        assert row["uniform_small/undefined"] is True


def test_the_default_simulator_suits_the_language_model(
    runs: Folder, perfect: ScriptedModel
) -> None:
    run = runs.run("explainer=llm", *MODEL)
    assert run.record.simulator is not None
    assert run.record.simulator.name == "json"
    assert run.record.config["simulator"]["name"] == "json"
    assert all(row["uniform_small/pearson"] == pytest.approx(1) for row in run.scores.rows())
    plan = runs.call("explainer=llm", *MODEL, "dry_run=true")
    assert "json (benchmark.simulators.JsonCopy)" in plan.out
    # Who is named stands in the table, and naming the default is the same run.
    again = runs.call("explainer=llm", "simulator=json", *MODEL)
    assert "finished before" in again.out
    assert "llm, simulated by json," in again.out
    other = runs.run("explainer=llm", "simulator=token_by_token", *MODEL, "explainer.style=pairs")
    assert other.record.run_id != run.record.run_id


def test_without_a_language_model_the_way_out_is_said(runs: Folder) -> None:
    message = runs.call("explainer=llm").err
    assert (
        "explainer 'llm' asks a language model; choose one: llm=openai llm.model=<name>" in message
    )
    message = runs.call("explainer=sentences", "explainer.path=nowhere.jsonl").message
    assert "a simulator must predict from them" in message
    assert "or name a language model" in message
    message = runs.call("explainer=sentences", "explainer.path=nowhere.jsonl", *MODEL).message
    assert "there is no such file" in message


class TestCandidates:
    """One right and several wrong sentences; only text of the calibrate split decides."""

    @staticmethod
    def one_right(request) -> str:
        right = which_rule(request)
        wrong = [name for name in ("rule 0", "rule 1", "rule 6", "rule 7") if name != right]
        return [*wrong, right][request.sample % 4]

    def test_the_best_is_kept_and_its_cost_counted(
        self, runs: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = ScriptedModel(self.one_right, perfect_labels)
        hand_out(model, monkeypatch)
        words = ("explainer=llm", "explainer.candidates=4", "simulator=all_at_once", *MODEL)
        run = runs.run(*words)
        for line, row in zip(run.explanations(), run.scores.rows(), strict=True):
            assert line.explanation["text"] == f"rule {line.neuron}"
            assert len(line.explanation["shown"]["candidates"]) == 4
            assert row["cost/llm_requests"] == 4
            assert row["cost/choose_llm_requests"] == 4 * 16
            assert row["cost/choose_tokens"] > 0
            assert row["cost/choose_llm_tokens"] > 0
        assert {request.temperature for request in model.requests} == {1.0}
        # Candidates are simulated on the calibrate split, and held-out text comes after them.
        _, *asked = [request.pieces for request in model.label_requests]
        calibrate, held_out = texts_of(run)
        assert not calibrate & held_out
        chosen = next(at for at, text in enumerate(asked) if text in held_out)
        assert len(asked[:chosen]) > 100
        assert set(asked[:chosen]) <= calibrate
        assert set(asked[chosen:]) == held_out

    def test_an_interrupted_run_keeps_its_candidates(
        self, runs: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stops(request):
            raise ConnectionError("no route")

        hand_out(ScriptedModel(self.one_right, stops), monkeypatch)
        words = ("explainer=llm", "explainer.candidates=4", "simulator=all_at_once", *MODEL)
        assert "no route" in runs.call(*words).err
        model = ScriptedModel(lambda request: pytest.fail("asked again"), perfect_labels)
        hand_out(model, monkeypatch)
        run = runs.run(*words)
        for line in run.explanations():
            assert line.explanation["text"] == f"rule {line.neuron}"


def texts_of(run: Run) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """The texts of the calibrate split and of the small scoring set, as prompts show them."""
    from benchmark.evaluation.reopen import ReopenedRun
    from benchmark.simulators.all_at_once import pieces
    from benchmark.token_text import prompt_token

    experiment = ReopenedRun(run).open()
    truth = experiment.store.truth(experiment.blocks()[0])
    held_out = truth.tokens[truth.rows("uniform_small")[0]]
    tokenizer = experiment.subject.tokenizer
    return tuple(
        {
            pieces([prompt_token(tokenizer, token) for token in row if token != BOS])
            for row in contexts.tolist()
        }
        for contexts in (experiment.store.calibrate.tokens, held_out)
    )


class TestOwnSentences:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "explanations.jsonl"
        lines = [{"neuron": f"0.{n}", "text": f"rule {n}", "by": "me"} for n in (0, 7)]
        path.write_text("\n\n".join(map(json.dumps, lines)) + "\n")
        return path

    def test_the_run_is_about_the_neurons_of_the_file(
        self, runs: Folder, path: Path, perfect: ScriptedModel
    ) -> None:
        runs.words = tuple(word for word in runs.words if not word.startswith("neurons.list"))
        words = ("explainer=sentences", f"explainer.path={path}", *MODEL)
        run = runs.run(*words)
        rows = run.scores.rows()
        assert [row["neuron"] for row in rows] == [0, 7]
        assert [row["uniform_small/pearson"] for row in rows] == pytest.approx([1, 1])
        assert all(len(request.messages) == 4 for request in perfect.requests)  # json alone
        # Its content is a part of the run's identity; without it the run is read all the same.
        path.write_text(path.read_text().replace("rule 7", "rule 6"))
        other = runs.run(*words)
        assert other.scores.rows()[1]["uniform_small/pearson"] < 0.9
        path.unlink()
        shown = call("show", str(run.folder), "0.7")
        assert "rule 7" in shown.out
        again = call("score", str(run.folder), "metrics=[pearson]")
        assert again.status == 0, again.err

    def test_listed_neurons_that_the_file_lacks_are_failures(
        self, runs: Folder, path: Path, perfect: ScriptedModel
    ) -> None:
        run = runs.run("explainer=sentences", f"explainer.path={path}", *MODEL)
        rows = {row["neuron"]: row for row in run.scores.rows()}
        assert [n for n, row in rows.items() if row["status"] == "failed"] == [1, 6]
        assert "has no sentence about this neuron" in rows[1]["error"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "holds no sentence"),
            ("{", "line 1 of"),
            ('{"neuron": 3.4, "text": "x"}', "is no sentence about a neuron; write"),
            ('{"neuron": "3.4", "text": " "}', "is no sentence about a neuron; write"),
            ("[1]", "is no sentence about a neuron; write"),
            ('{"neuron": "three", "text": "x"}', "write layer.neuron, as in 3.400"),
            ('{"neuron": "0.1", "text": "x"}\n{"neuron": "0.01", "text": "y"}', "second sentence"),
            ('{"neuron": "0.999", "text": "x"}', "neuron 0.999 does not exist"),
        ],
    )
    def test_what_is_no_file_of_sentences(
        self, runs: Folder, path: Path, text: str, message: str
    ) -> None:
        runs.words = tuple(word for word in runs.words if not word.startswith("neurons.list"))
        path.write_text(text)
        told = runs.call("explainer=sentences", f"explainer.path={path}", *MODEL)
        assert told.status == 1
        assert message in told.message


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("words about", finished=False), "no sentence: the answer was cut"),
        (Reply("\n  \n"), "no sentence: the answer is empty"),
        (Reply("I'm sorry, but I can't help with that."), "no sentence: the model refused"),
    ],
)
def test_an_answer_that_is_no_sentence_is_a_failed_row(
    runs: Folder, monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: str
) -> None:
    def some(request):
        found = which_rule(request)
        return reply if found == "rule 6" else found

    hand_out(ScriptedModel(some, perfect_labels), monkeypatch)
    run = runs.run("explainer=llm", "simulator=all_at_once", *MODEL)
    rows = {row["neuron"]: row for row in run.scores.rows()}
    assert [n for n, row in rows.items() if row["status"] == "failed"] == [6]
    assert reason in rows[6]["error"]
    assert rows[6]["cost/llm_requests"] == 1


def test_a_style_of_ones_own_is_a_part_of_the_run(
    runs: Folder, perfect: ScriptedModel, tmp_path: Path
) -> None:
    from explainers.llm.style import style_path

    style = tmp_path / "mine.yaml"
    style.write_text(style_path("pairs").read_text())
    words = ("explainer=llm", f"explainer.style={style}", "simulator=all_at_once", *MODEL)
    first = runs.run(*words)
    style.write_text(style.read_text().replace("version: 1", "version: 2"))
    second = runs.run(*words)
    assert first.record.run_id != second.record.run_id
    unlike = ("seconds", "cost/")
    assert table(first, without=unlike) == table(second, without=unlike)
    style.unlink()
    assert call("score", str(first.folder), "metrics=[pearson]").status == 0
    assert "there is no such file" in runs.call(*words, "seed=3").message


def test_the_correlation_is_that_of_quantised_levels(
    runs: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that sees half of what fires: the score equals one computed by hand."""

    def half(request):
        levels = perfect_labels(request).argmax(1)
        levels[: len(levels) // 2] = 0
        return torch.eye(len(request.labels))[levels]

    hand_out(ScriptedModel(which_rule, half), monkeypatch)
    run = runs.run("explainer=llm", "simulator=all_at_once", *MODEL)
    from benchmark.evaluation.reopen import ReopenedRun

    experiment = ReopenedRun(run).open()
    truth = experiment.store.truth(experiment.blocks()[0])
    true = truth.activations("uniform_small")
    text = truth.scored("uniform_small")[0]
    for row, found in enumerate(run.scores.rows()):
        predicted = true[row].clone()
        for context in range(len(predicted)):
            places = text[context].nonzero()[:, 0]
            predicted[context, places[: len(places) // 2]] = 0
        want = np.corrcoef(true[row][text].numpy(), predicted[text].numpy())[0, 1]
        assert found["uniform_small/pearson"] == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("name", style_names())
def test_prompts_hold_text_of_the_explain_split_alone(
    runs: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever the style, no eight words in a row are of text that is held out."""
    from benchmark.evaluation.reopen import ReopenedRun

    model = ScriptedModel(lambda request: "EXPLANATION: rule 0", perfect_labels)
    hand_out(model, monkeypatch)
    run = runs.run("explainer=llm", f"explainer.style={name}", "simulator=all_at_once", *MODEL)
    questions = [request.messages[-1].content for request in model.requests]
    assert len(questions) == 4
    experiment = ReopenedRun(run).open()
    tokenizer = experiment.subject.tokenizer
    shown = set().union(*(eights(re.sub("<<|>>|\t[0-9]+", "", text)) for text in questions))
    known = {
        split: set().union(*(eights(tokenizer.decode(row)) for row in contexts.tokens.tolist()))
        for split, contexts in experiment.corpus.splits.items()
    }
    assert not shown & (known["held_out"] | known["calibrate"]) - known["explain"]
    assert (len(shown & known["explain"]) > 50) == (name != "token_list")


def eights(text: str) -> set[tuple[str, ...]]:
    """All eight words in a row; a BOS parts texts."""
    found = set()
    for part in text.split("<bos>"):
        words = part.split()
        found |= {tuple(words[at : at + 8]) for at in range(len(words) - 7)}
    return found


def test_the_table_tells_the_simulator_and_what_language_models_cost(
    runs: Folder, perfect: ScriptedModel
) -> None:
    run = runs.run("explainer=llm", *MODEL)
    runs.run("explainer=token_lookup")
    shown = call("show", str(runs.folder / "results"))
    assert shown.status == 0, shown.err
    assert "LLM tokens/n., USD/n.: tokens that language models" in shown.out
    costs = ("llm_tokens", "simulate_llm_tokens")
    mean = sum(float(run.scores.column(f"cost/{name}").mean()) for name in costs)
    row = next(line for line in shown.out.splitlines() if line.strip().startswith("llm"))
    assert row.startswith(" llm simulated by json ")
    assert row.rstrip().endswith(f" {mean:,.0f}")
