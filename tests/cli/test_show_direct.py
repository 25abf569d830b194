"""`show <run> <neuron>`: what the neuron does to the output by itself, or why that is not known."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from benchmark.results import Run, load_run
from benchmark.subject import load_subject
from benchmark.subject.direct_effects import direct_effects
from benchmark.subject.planted import WORDS
from tests.command import Command, call
from tests.hub import Hub
from tests.subject import checkpoints


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Run:
    command = Command(tmp_path_factory.mktemp("direct"), checkpoint, texts)
    return command.finished("explainer=zero")


def edited(run: Run, folder: Path, **model: object) -> Path:
    """A copy of the run whose subject is said to be another one."""
    shutil.copytree(run.folder, folder)
    record = json.loads((folder / "run.json").read_text())
    record["config"]["model"] |= model
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_tokens_congruence_and_whether_it_is_mutual(run: Run, checkpoint: Path) -> None:
    subject = load_subject({"kind": "local", "source": str(checkpoint)}, device="cpu")
    said = set()
    for layer, neuron in run.scores.neurons():
        answer = call("show", str(run.folder), f"{layer}.{neuron}")
        assert answer.status == 0
        found = direct_effects(subject, layer, [neuron])
        lines = answer.out.splitlines()
        start = next(i for i, line in enumerate(lines) if "makes likelier" in line)
        first = lines[start + 2].split()
        assert first[0] == subject.tokenizer.decode([int(found.top_tokens[0, 0])])
        assert first[1] == f"{float(found.top_values[0, 0]):+.3f}"
        assert first[3] == f"{float(found.bottom_values[0, 0]):+.3f}"
        partner = f"{int(found.partner_layers[0])}.{int(found.partner_neurons[0])}"
        mutual = "this one, so the two are mutual"
        expected = mutual if found.mutual[0] else f"{partner}, so the two are not mutual"
        assert answer.out.endswith(f"congruent with that token is {expected}\n")
        said.add(bool(found.mutual[0]))
    assert said == {True, False}


def test_left_out_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmark.subject

    def refused(*arguments: object, **options: object) -> None:
        raise AssertionError("the subject was loaded")

    monkeypatch.setattr(benchmark.subject, "load_subject", refused)
    layer, neuron = run.scores.neurons()[0]
    answer = call("show", str(run.folder), f"{layer}.{neuron}", "--no-direct", "--no-contexts")
    assert answer.status == 0
    assert "pearson" in answer.out
    assert "direct effect" not in answer.out
    assert call("show", str(run.folder), "--no-direct", "--no-contexts").status == 0
    message = call("show", str(run.folder), f"{layer}.{neuron}", "direct=false").message
    assert message.startswith("'direct=false' is written --no-direct")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"source": "/nowhere/at/all"}, "there is no such folder"),
        (
            {"name": "solu-tiny", "kind": "builtin", "source": "solu_tiny"},
            "is no longer the one of the run",
        ),
    ],
)
def test_one_line_where_the_subject_is_not_there(
    run: Run, tmp_path: Path, model: dict[str, object], reason: str
) -> None:
    folder = edited(run, tmp_path / "copy", **model)
    layer, neuron = run.scores.neurons()[0]
    answer = call("show", str(folder), f"{layer}.{neuron}")
    assert answer.status == 0
    assert "pearson" in answer.out  # the rest is shown
    last = answer.out.splitlines()[-1]
    assert last.startswith("direct effect on the output: not known here: ")
    assert reason in last


def test_nothing_is_downloaded(run: Run, tmp_path: Path, hub: Hub) -> None:
    hub.add_model("somebody/model", checkpoints.huggingface_folder(tmp_path / "model", "gpt2"))
    folder = edited(run, tmp_path / "copy", kind="transformers", source="somebody/model")
    layer, neuron = run.scores.neurons()[0]
    done = hub.command(sys.executable, "-m", "benchmark", "show", str(folder), f"{layer}.{neuron}")
    assert done.returncode == 0, done.stderr
    assert "not in the local cache" in done.stdout.splitlines()[-1]
    assert not hub.asked("somebody")


def test_a_planted_subject_has_no_output(command: Command) -> None:
    small = [word for word in command.small if not word.startswith(("model", "dataset.path"))]
    texts = command.folder / "texts"
    texts.mkdir()
    for number in range(60):
        (texts / f"{number}.txt").write_text(" ".join(WORDS[number:] + WORDS[:number]))
    options = ("model=planted", "dataset=text", f"dataset.path={texts}", "explainer=zero")
    # The texts are the same words from another one on.
    options += ("dataset.near_duplicates=null",)
    answer = call("run", *small, *options)
    assert answer.status == 0, answer.err
    (folder,) = command.folders()
    layer, neuron = load_run(folder).scores.neurons()[0]
    last = call("show", str(folder), f"{layer}.{neuron}").out.splitlines()[-1]
    assert last.startswith("direct effect on the output: not known here: ")
    assert "'planted' has none: its neurons are rules" in last
