"""Scorers of somebody's own that are broken, changed, or named by somebody's results."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from benchmark.config.run_config import check_config
from benchmark.config.scorers import resolved
from benchmark.errors import BenchmarkError
from benchmark.interface import Column
from benchmark.results import load_run
from benchmark.scorers.added import AddedScorer
from tests.command import SETTINGS, call
from tests.scorers.toy import write_toy

HERE = "tests.scorers.test_added_scorers"


@dataclass
class Answers:
    """A scorer that gives what its options say."""

    values: list | None = None
    names: list = field(default_factory=lambda: ["mine/score"])
    dtype: str = "float"
    does: str = ""

    def columns(self):
        summary = "count" if self.dtype == "bool" else "mean"
        return [Column(name=name, dtype=self.dtype, summary=summary) for name in self.names]

    def score(self, block):
        if self.does == "raise":
            raise ValueError("no such luck")
        if self.does == "exit":
            sys.exit(3)
        if self.does == "change":
            block.predictions += 1
        if self.does == "seed":
            torch.set_grad_enabled(False)
        if self.does == "other":
            return {"mine/other": [0.0, 0.0]}
        return dict.fromkeys(self.names, self.values)


class NoScore:
    """A scorer that cannot score."""

    def columns(self):
        return [Column(name="mine/score")]


@dataclass
class FakeBlock:
    layer: int
    neurons: torch.Tensor
    predictions: torch.Tensor
    truth: object


@dataclass
class FakeTruth:
    uniform_activations: torch.Tensor
    top_activations: torch.Tensor


def block():
    truth = FakeTruth(torch.zeros(2, 3, 4), torch.zeros(2, 1, 4))
    return FakeBlock(5, torch.tensor([7, 8]), torch.zeros(2, 4, 4), truth)


def made(kind="Answers", **options):
    return AddedScorer("mine", {"name": "mine", "_target_": f"{HERE}.{kind}", **options})


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("float", [1, None], [1.0, None]),
        ("int", [1.0, 2], [1, 2]),
        ("bool", [True, 0], [True, False]),
    ],
)
def test_values_are_those_of_the_column(dtype, values, expected):
    found = made(dtype=dtype, values=values).score(block())["mine/score"]
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"values": [1.0]}, "gives 1 values of column 'mine/score' for 2 neurons"),
        ({"values": ["high", 1.0]}, "must hold one float per neuron: ValueError"),
        ({"values": 3}, "must hold one float per neuron"),
        ({"values": [0.5, 1], "dtype": "int"}, "0.5 is no whole number"),
        ({"values": [2, 1], "dtype": "bool"}, "2 is neither true nor false"),
        ({"does": "raise"}, "cannot score layer 5: ValueError: no such luck"),
        ({"does": "exit"}, "cannot score layer 5: SystemExit: 3"),
        ({"does": "change", "values": [0, 0]}, "changes the activations that it is given"),
        ({"does": "seed", "values": [0, 0]}, "while it scores and leaves it so"),
        ({"does": "other"}, "gives the columns 'mine/other' and declares 'mine/score'"),
    ],
)
def test_a_scorer_that_breaks_is_one_sentence(options, reason):
    with pytest.raises(BenchmarkError) as caught:
        made(**options).score(block())
    assert "scorer 'mine'" in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("Missing", {}, f"module '{HERE}' has no 'Missing'"),
        ("NoScore", {}, "has no 'score'; benchmark.interface.Scorer says"),
        ("Answers", {"speed": 3}, "could not be made: "),
        ("Answers", {"names": []}, "it declares no column"),
        ("Answers", {"names": ["mine/a", "mine/a"]}, "it declares a column twice"),
        ("Answers", {"names": ["uniform/pearson"]}, "is a group of the benchmark's own"),
    ],
)
def test_a_scorer_that_cannot_be_made_is_one_sentence(kind, options, reason):
    with pytest.raises(BenchmarkError) as caught:
        made(kind, **options)
    assert "scorer 'mine'" in str(caught.value)
    assert reason in str(caught.value)


def test_its_identity_holds_its_options_and_its_code():
    one, other = made(values=[1.0]).identity(), made(values=[2.0]).identity()
    assert one["options"]["values"] == [1.0]
    assert one != other
    assert one["source"] == other["source"]


def test_options_are_those_of_the_file_and_of_the_command_line(tmp_path):
    path = write_toy(tmp_path)
    found = resolved(str(path), {"toy": {"part": 0.25}})
    assert found["toy"]["part"] == 0.25
    assert found["toy"]["_target_"].endswith("Overlap")
    both = resolved([str(path)], {"mine": {"_target_": f"{HERE}.Answers"}})
    assert list(both) == ["toy", "mine"]
    assert resolved(None, {}) == {}


@pytest.mark.parametrize(
    ("names", "given", "reason"),
    [
        ("toi", {}, "scorer 'toi' is not known"),
        ("nowhere/toy.yaml", {}, "there is no such file"),
        (None, {"toy": {"part": 3}}, "scorer 'toy' has no class"),
        (None, {"toy": 3}, "must be the options of a scorer"),
    ],
)
def test_a_scorer_that_is_not_there_is_one_sentence(names, given, reason):
    with pytest.raises(BenchmarkError, match=reason):
        resolved(names, given)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_toy(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("a_scorer_of_my_own", None)


def run(*words):
    base = ("run", "explainer=zero", "model=planted", *SETTINGS)
    return call(*base, "results_dir=results", "cache_dir=cache", *words)


def runs(folder):
    return [load_run(path.parent) for path in sorted(folder.glob("results/*/*/*/*/run.json"))]


def test_score_adds_it_to_a_run_and_takes_it_away(folder):
    assert run().status == 0
    (plain,) = runs(folder)
    answer = call("score", str(plain.folder), "scorer=./toy.yaml")
    assert answer.status == 0, answer.err
    (scored,) = runs(folder)
    assert scored.record.run_id == plain.record.run_id
    assert "toy/overlap" in scored.scores.metric_columns
    assert "toy/overlap" in scored.record.summary
    assert call("score", str(plain.folder), "scorer=null").status == 0
    (again,) = runs(folder)
    assert again.record.columns == []
    assert again.scores.columns == plain.scores.columns


def test_a_class_that_a_result_names_is_not_imported(folder):
    assert run("scorer=./toy.yaml").status == 0
    (found,) = runs(folder)
    sys.modules.pop("a_scorer_of_my_own", None)
    refused = call("score", str(found.folder), "device=cpu")
    assert "names the class 'a_scorer_of_my_own.Overlap'" in refused.message
    assert "--trust a_scorer_of_my_own.Overlap" in refused.message
    assert "a_scorer_of_my_own" not in sys.modules
    trusted = call("score", str(found.folder), "--trust", "a_scorer_of_my_own.Overlap")
    assert trusted.status == 0, trusted.err


def test_runs_with_other_options_are_not_compared_on_it(folder):
    for part in (0.5, 0.25):
        assert run("scorer=./toy.yaml", f"scorers.toy.part={part}").status == 0
    one, other = runs(folder)
    assert one.record.run_id != other.record.run_id
    assert call("compare", "results", "--metrics", "pearson").status == 0
    refused = call("compare", "results", "--metrics", "toy/overlap")
    assert "so that something else is measured" in refused.message


def test_the_plan_names_it_and_a_missing_module_is_one_sentence(folder):
    assert "toy" in run("scorer=./toy.yaml", "--dry-run").out
    (folder / "a_scorer_of_my_own.py").unlink()
    message = run("scorer=./toy.yaml").message
    assert "module 'a_scorer_of_my_own' could not be imported" in message
    assert not (folder / "results").exists()


def test_a_declaration_in_somebodys_record_is_checked(folder):
    assert run("scorer=./toy.yaml").status == 0
    (found,) = runs(folder)
    path = found.folder / "run.json"
    data = json.loads(path.read_text())
    data["columns"][0]["form"] = "1000000000d"
    path.write_text(json.dumps(data))
    assert "columns: column 'toy/overlap'" in call("show", str(found.folder)).message


def test_a_record_is_read_again_as_it_was(folder):
    assert run("scorer=./toy.yaml").status == 0
    (found,) = runs(folder)
    config = check_config(OmegaConf.create(found.record.config))
    assert config.scorers == found.record.config["scorers"]
    assert config.scorer is None


def test_the_guide_works_as_it_stands(tmp_path, monkeypatch):
    guide = (Path(__file__).parents[2] / "docs" / "adding-a-scorer.md").read_text("utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", guide, flags=re.DOTALL)
    python, yaml, commands = (
        next(text for kind, text in blocks if kind == wanted)
        for wanted in ("python", "yaml", "bash")
    )
    (tmp_path / "strong_tokens.py").write_text(python)
    (tmp_path / "strong.yaml").write_text(yaml)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run().status == 0
    (found,) = runs(tmp_path)
    for line in commands.replace("results/<run>", str(found.folder)).splitlines():
        words = shlex.split(line, comments=True)[3:]
        answer = run(*words[1:]) if words[0] == "run" else call(*words)
        assert answer.status == 0, (line, answer.err)
        if words[0] in ("compare", "leaderboard"):
            assert "strong/found" in answer.out
    for one in runs(tmp_path):
        assert "strong/found" in one.scores.metric_columns
    sys.modules.pop("strong_tokens", None)
