"""`check`: the table of a conformance suite, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.config.catalogue import entries
from benchmark.conformance.suite import CHECKS, FIRST, LAST
from benchmark.interface import Request
from tests.command import Command, call
from tests.conformance.test_each_check import NoProcess
from tests.language_models import ScriptedModel, hand_out

# Options with which an explainer learns from less text, and shows no progress.
QUICKER = {"fasttext": ["explainer.max_train_words=100_000", "explainer.epochs=1"]}
LANGUAGE_MODEL = ["llm=openai", "llm.model=scripted"]
SHIPPED = [entry.name for entry in entries("explainer") if entry.name != "custom"]


def statuses(out: str) -> dict[str, str]:
    """The result of each check, as the table says it."""
    found = {}
    for name in (FIRST, *CHECKS, LAST):
        line = next(line for line in out.splitlines() if line.startswith(f" {name}  "))
        rest = line.removeprefix(f" {name}").strip()
        found[name] = next(s for s in ("ok", "failed", "not checked") if rest.startswith(s))
    return found


def scripted(request: Request) -> str:
    """A sentence of its own for each neuron, and levels that depend on the sentence."""
    if request.schema is None:
        return f"text of {len(request.messages[-1].content)} letters"
    asked = json.loads(request.messages[-1].content)
    level = len(asked["looks for"]) % 7
    listed = [{"token": one, "level": len(one) % 3 + level} for one in asked["tokens"]]
    return json.dumps({"levels": listed})


def options_of(name: str, folder: Path) -> list[str]:
    """What an explainer cannot do without, or is quicker with."""
    if name == "sentences":
        path = folder.with_name("sentences.jsonl")
        lines = [json.dumps({"neuron": f"0.{n}", "text": f"words {n}"}) for n in range(40, 48)]
        path.write_text("\n".join(lines))
        return [f"explainer.path={path}", *LANGUAGE_MODEL]
    asks = name in ("llm", "fasttext_llm")
    return [*(LANGUAGE_MODEL if asks else []), *QUICKER.get(name, [])]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_explainer_of_the_benchmark_passes(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.conformance.suite.OtherProcess", NoProcess)
    hand_out(ScriptedModel(scripted), monkeypatch)
    cache = tmp_path_factory.getbasetemp() / "check-cache"  # shared: what is measured is the same
    answer = call("check", f"explainer={name}", f"cache_dir={cache}", *options_of(name, cache))
    assert answer.status == 0, answer.out + answer.err
    assert answer.err == ""
    assert "failed" not in statuses(answer.out).values()
    assert answer.out.startswith(f"explainer {name} on neurons of subject solu-tiny\n")
    assert max(map(len, answer.out.splitlines())) <= 100


@pytest.mark.slow
def test_a_broken_class_of_ones_own(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call("check", "explainer._target_=tests.conformance.broken.HashesText")
    assert answer.status == 1
    assert answer.err == ""
    found = statuses(answer.out)
    assert [name for name, status in found.items() if status == "failed"] == [LAST]
    assert answer.out.endswith("1 of 17 checks failed: other process\n")
    assert list(tmp_path.iterdir()) == []


def test_on_a_subject_of_ones_own(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.conformance.suite.OtherProcess", NoProcess)
    words = [word for word in command.small if word.startswith(("model", "dataset"))]
    words += ["neurons.list=[[1,2],[1,3]]", "explainer._target_=tests.conformance.broken.Sound"]
    answer = call("check", *words)
    assert answer.status == 0, answer.out
    assert "2 explanations" in answer.out
    answer = call("check", *words, "neurons.list=[[1,2]]")
    assert answer.status == 0, answer.out
    found = statuses(answer.out)
    assert found["order of neurons"] == found["neurons apart"] == "not checked"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "check takes an explainer: check explainer=<name>"),
        (("n2g",), "check takes an explainer"),
        (("explainer=n2h",), "explainer 'n2h' is not known; did you mean 'n2g'?"),
        (("explainer=n2g,zero",), "explainer=n2g,zero names several"),
        (("explainer=n2g", "--dry-run"), "option of check '--dry-run' is not known"),
        (("explainer=n2g", "zero"), "'zero' is not an override"),
        (("explainer=zero", "neurons.per_layr=3"), "did you mean 'neurons.per_layer'?"),
        (("explainer._target_=nowhere.Class",), "module 'nowhere' could not be imported"),
        (("explainer=zero", "model=planted", "neurons.layers=[3]"), "layer 3 does not exist"),
    ],
)
def test_what_cannot_be_checked(words: tuple[str, ...], part: str) -> None:
    answer = call("check", *words)
    assert answer.status == 1
    assert answer.err.startswith("error: ")
    assert part in answer.err
    assert "Traceback" not in answer.err
