"""Reuse between runs: nothing is computed twice, and what changed is computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.results import load_run
from benchmark.subject import Subject
from tests.command import (
    EXPLAIN,
    HELD_OUT,
    Command,
    call,
    explanations,
    table,
    write_checkpoint,
    write_texts,
)
from tests.runs.methods import Method


@pytest.fixture
def tokens_run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of tokens of every batch that the subject runs."""
    counted: list[int] = []
    stream, activations = Subject.stream, Subject.activations

    def counting_stream(self, tokens, layers):
        counted.append(tokens.numel())
        return stream(self, tokens, layers)

    def counting_activations(self, tokens, layer, neurons=None):
        counted.append(tokens.numel())
        return activations(self, tokens, layer, neurons)

    monkeypatch.setattr(Subject, "stream", counting_stream)
    monkeypatch.setattr(Subject, "activations", counting_activations)
    return counted


def test_a_cold_run_measures_and_says_so(command: Command, tokens_run: list[int]) -> None:
    answer = command.run("explainer=zero")
    assert "0 tables from the cache, 4 measured" in answer.out  # profile and truth of 2 layers
    assert tokens_run == [EXPLAIN * 16, HELD_OUT * 16]  # each split once
    assert not (command.folder / "cache" / "sample").exists()  # nobody asked for it


def test_the_sample_takes_no_pass_of_its_own(command: Command, tokens_run: list[int]) -> None:
    answer = command.run("explainer=token_lookup", "neurons.per_layer=null")
    assert "0 tables from the cache, 6 measured" in answer.out
    assert tokens_run == [EXPLAIN * 16, HELD_OUT * 16]


def test_the_same_command_again_computes_nothing(command: Command, tokens_run: list[int]) -> None:
    first = command.run("explainer._target_=tests.runs.methods.Method")
    files = command.files()
    (folder,) = command.folders()
    written = (folder / "run.json").read_bytes()
    tokens_run.clear()
    Method.calls.clear()
    again = command.run("explainer._target_=tests.runs.methods.Method")
    assert again.status == 0
    assert "finished before" in again.out
    assert "nothing was computed" in again.out
    assert "fresh=true" in again.out
    assert "4 tables from the cache, 0 measured" in again.out
    assert tokens_run == []
    assert Method.calls == []
    assert command.files() == files
    assert (folder / "run.json").read_bytes() == written
    assert again.out.splitlines()[-12:] == first.out.splitlines()[-12:]  # the same table


def test_another_explainer_shares_the_cache(command: Command, tokens_run: list[int]) -> None:
    command.finished("explainer=token_lookup")
    tokens_run.clear()
    answer = command.run("explainer=context_tree")
    assert "6 tables from the cache, 0 measured" in answer.out
    assert tokens_run == []
    cold = command.finished(f"cache_dir={command.folder / 'other'}", "explainer=mean")
    warm = command.finished("explainer=mean", "fresh=true")
    assert table(cold) == table(warm)


def test_fresh_runs_again_beside_the_first(command: Command) -> None:
    Method.calls.clear()
    first = command.finished("explainer._target_=tests.runs.methods.Method")
    asked = list(Method.calls)
    second = command.finished("explainer._target_=tests.runs.methods.Method", "fresh=true")
    assert Method.calls == asked * 2
    assert second.folder == first.folder.with_name(f"{first.folder.name}-2")
    assert table(second) == table(first)
    # Without `fresh` it is the first that is shown.
    answer = command.run("explainer._target_=tests.runs.methods.Method")
    assert f"results: results/small/text/Method/{first.folder.name}\n" in answer.out


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    """A folder whose cache holds what the first run measured."""
    command = Command(tmp_path_factory.mktemp("shared"), checkpoint, texts)
    command.finished("explainer=token_lookup")
    return command


@pytest.mark.parametrize(
    ("change", "measured"),
    [
        # Tables of two layers: profile, sample and truth.
        ("neurons.per_layer=5", 0),
        ("neurons.seed=1", 2),  # the sample is there of all neurons of so small a layer
        ("neurons.block_size=3", 0),
        ("contexts.sample=32", 2),
        ("contexts.exemplars=3", 2),
        ("contexts.explain=95", 4),
        ("contexts.uniform=16", 2),
        ("contexts.top=3", 2),
        ("contexts.held_out=36", 2),
        ("contexts.shard=40", 6),
        ("storage.dtype=bfloat16", 6),
        ("context_length=12", 6),
        ("seed=1", 6),
        ("dataset.split_seed=1", 6),
        ("firing_threshold=0.4", 0),
        ("metrics.metrics=[pearson]", 0),
        ("explainer.default=zero", 0),
        ("bootstrap.resamples=100", 0),
    ],
)
def test_a_changed_setting_is_a_new_run_that_measures_what_it_changes(
    shared: Command, change: str, measured: int
) -> None:
    before = set(shared.folders())
    answer = shared.run("explainer=token_lookup", change)
    assert answer.status == 0, answer.err
    assert f"{measured} measured" in answer.out
    (other,) = set(shared.folders()) - before
    if measured:
        cold = shared.finished(
            "explainer=token_lookup", change, f"cache_dir={other / 'cache'}", "fresh=true"
        )
        assert table(load_run(other)) == table(cold)


@pytest.mark.parametrize("change", ["device=null", "batch_tokens=64", "tracking=none"])
def test_what_does_not_decide_the_numbers_is_the_same_run(shared: Command, change: str) -> None:
    answer = shared.run("explainer=token_lookup", change)
    assert "finished before" in answer.out


def test_other_weights_or_text_are_not_taken_for_the_same(
    command: Command, tmp_path: Path, texts: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    first = command.finished("explainer=token_lookup")
    other = write_checkpoint(tmp_path / "another" / "small")
    weights = load_file(other / "model.safetensors")
    weights["layers.0.mlp.fc_in.bias"] += torch.tensor(0.01)
    save_file(weights, other / "model.safetensors")
    answer = command.run("explainer=token_lookup", f"model.source={other}")
    assert "0 tables from the cache, 6 measured" in answer.out
    copied = write_texts(tmp_path / "texts")
    answer = command.run("explainer=token_lookup", f"dataset.path={copied}")
    assert "finished before" in answer.out  # the same text at another place
    (copied / "more.txt").write_text("word3 word4 word5 " * 30, encoding="utf-8")
    answer = command.run("explainer=token_lookup", f"dataset.path={copied}", "dataset.name=more")
    assert "0 tables from the cache, 6 measured" in answer.out
    assert len(command.folders()) == 3
    assert first.folder in command.folders()


def test_a_changed_source_of_the_explainer_is_a_new_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    package = tmp_path / "site" / "somebody"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from somebody.method import Theirs\n")
    (package / "helper.py").write_text("VALUE = 1.0\n")
    (package / "method.py").write_text(
        "from somebody.helper import VALUE\n"
        "from tests.runs.methods import Method\n"
        "class Theirs(Method):\n"
        "    def __init__(self):\n"
        "        super().__init__(VALUE)\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    target = "explainer._target_=somebody.Theirs"
    first = command.finished(target)
    assert first.record.explainer.name == "Theirs"
    assert "finished before" in command.run(target).out
    (package / "helper.py").write_text("VALUE = 2.0  # a change\n")
    for name in ("somebody", "somebody.method", "somebody.helper"):
        monkeypatch.delitem(sys.modules, name)
    second = command.finished(target)
    assert explanations(second)[0]["explanation"] == {"value": 2.0}
    for name in ("somebody", "somebody.method", "somebody.helper"):
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "note"])
@pytest.mark.parametrize("kind", ["profile", "exemplars", "sample", "uniform"])
def test_a_damaged_cache_file_is_named_and_made_again(
    shared: Command, kind: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = shared.finished("explainer=token_lookup", "fresh=true")
    assert caplog.records == []
    file = sorted((shared.folder / "cache" / kind).rglob("*.safetensors"))
    used = [path for path in file if path.with_suffix(".json").exists()]
    contents = {path: path.read_bytes() for path in used}
    for path, content in contents.items():
        if damage == "cut":
            path.write_bytes(content[:-9])
        elif damage == "changed":
            path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        elif damage == "gone":
            path.unlink()
        else:
            path.with_suffix(".json").write_text('{"sha256": ', encoding="utf-8")
    again = shared.finished("explainer=token_lookup", "fresh=true")
    warnings = [record.getMessage() for record in caplog.records]
    named = [path for path in used if any(str(path) in text for text in warnings)]
    assert len(named) >= 2  # a file per layer, or one for each set of neurons
    assert all("is damaged" in text and "made again" in text for text in warnings)
    assert table(again) == table(first)
    for path in used:
        if path in named:  # gone, or made again if exactly these neurons were missing
            assert not path.exists() or path.read_bytes() == contents[path]
        else:  # of another setting: not looked at
            path.with_suffix(".json").unlink()


def test_an_unfinished_cache_file_is_not_read(command: Command) -> None:
    command.finished("explainer=zero")
    for note in (command.folder / "cache" / "uniform").rglob("*.json"):
        note.unlink()
        note.with_suffix(".safetensors").write_bytes(b"half a file")
    answer = command.run("explainer=token_lookup")
    assert answer.status == 0
    assert "4 measured" in answer.out  # the sample, and the truth


def test_runs_are_listed_together(command: Command) -> None:
    command.finished("explainer=zero")
    command.finished("explainer=token_lookup")
    answer = call("show", "results")
    assert answer.status == 0
    assert "zero" in answer.out
    assert "token_lookup" in answer.out
