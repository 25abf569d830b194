"""Every mistake on the command line ends with one clear message, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

import configs
from benchmark.cli.main import VERBS
from tests.command import Command, call

NAMES = {path.stem for path in (Path(configs.__file__).parent / "explainer").glob("*.yaml")}
KNOWN_EXPLAINERS = f"known: {', '.join(sorted(NAMES - {'custom'}))}."


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        # Names.
        (
            ["explainer=tokenlookup"],
            ["did you mean 'token_lookup'?", KNOWN_EXPLAINERS, "_target_="],
        ),
        (["explainer=n2h"], ["explainer 'n2h' is not known", KNOWN_EXPLAINERS]),
        (["explainer="], ["explainer '' is not known", KNOWN_EXPLAINERS]),
        (["model=solu-9l"], ["model 'solu-9l' is not known; did you mean 'solu-", "model=local"]),
        (["dataset=stdlb"], ["did you mean 'stdlib'?", "dataset=text", "dataset=hub"]),
        (["metrics=pearsn"], ["metrics 'pearsn' is not known; did you mean 'pearson'?"]),
        (["metrics=[pearsn]"], ["metric 'pearsn'", "'pearson'?"]),
        (["metrics=pearson,f1"], ["names several; add -m", "metrics=[pearson,f1]"]),
        (["model=gpt2"], ["did you mean 'gpt2-small'?"]),
        (["metrics.metrics=[pearsn]"], ["metric 'pearsn'", "'pearson'?", "auprc, auprc_top_alpha"]),
        (["tracking=wndb"], ["tracking 'wndb' is not known; did you mean 'wandb'?"]),
        (["explainer=zero", "explainer=n2h"], ["explainer 'n2h' is not known"]),
        (["explainer=zero,mean"], ["names several; add -m"]),
        # Keys.
        (["neurons.per_layr=3"], ["key 'neurons.per_layr' is not known", "'neurons.per_layer'?"]),
        (["neuron.per_layer=3"], ["did you mean 'neurons.per_layer'?"]),
        (["sed=1"], ["key 'sed' is not known; did you mean 'seed'?"]),
        (["foo=1"], ["key 'foo' is not known", "context_length", "neurons"]),
        (
            ["explainer.evidnce=exemplars"],
            ["'explainer.evidence'?", "+explainer.evidnce=exemplars"],
        ),
        (["explainer=zero", "explainer.min_count=2"], ["keys of explainer 'zero'"]),
        (["dataset.fraction.explain=0.3"], ["did you mean 'dataset.fractions.explain'?"]),
        (["dataset.split_sed=1"], ["did you mean 'dataset.split_seed'?"]),
        (["model.revison=x"], ["did you mean 'model.revision'?"]),
        (["+foo=1"], ["key 'foo' is not known"]),
        (["+model.foo=1"], ["key 'model.foo' is not known"]),
        (["+dataset.foo=1"], ["dataset option 'foo' is not known"]),
        (["+explainer.foo=1"], ["could not be made", "unexpected keyword argument 'foo'"]),
        (["model@x=3"], ["key 'model@x' is not known"]),
        # Words that are no overrides.
        (["token_lookup"], ["'token_lookup' is not an override; write key=value"]),
        (["=5"], ["'=5' is not an override"]),
        (["--cfg"], ["option of run '--cfg' is not known", "--dry-run"]),
        (["neurons.layers=[0"], ["the value of neurons.layers=[0 cannot be read"]),
        (["~explainer"], ["explainer has no value"]),
        # Values.
        (["neurons.per_layer=abc"], ["neurons.per_layer=abc must be a whole number or null"]),
        (["neurons.per_layer=0"], ["neurons.per_layer=0 is too small"]),
        (["neurons.layers=[a]"], ["must be whole numbers in brackets"]),
        (["neurons.layers=[]"], ["neurons.layers is empty"]),
        (["neurons=3"], ["'neurons' is a group of keys"]),
        (["neurons.list=5"], ["neurons.list=5 is no list"]),
        (["neurons.list=[[0,1],5]"], ["neurons.list holds 5; write neurons as layer.neuron"]),
        (["neurons.list=[]"], ["neurons.list is empty"]),
        (["context_length=1"], ["context_length=1 is too small"]),
        (["context_length=16.5"], ["context_length=16.5 must be a whole number"]),
        (["firing_threshold=2"], ["firing_threshold=2.0"]),
        (["seed=-1"], ["seed=-1 is too small"]),
        (["device=tpu"], ["device 'tpu' is not known; use cpu or cuda"]),
        (["dtype=float64"], ["dtype 'float64' is not known"]),
        (["dtype=float16"], ["on cpu use dtype=float32"]),
        (["explainer.evidence=none"], ["'none' is not known", "exemplars+sample"]),
        (["explainer.min_count=0"], ["min_count", "at least 1"]),
        (["dataset.fractions.explain=0.5"], ["dataset.fractions must sum to 1"]),
        # What the subject does not have.
        (["context_length=33"], ["longer than the 32 tokens", "'small'", "the largest is 32"]),
        (["neurons.layers=[2]"], ["layer 2 does not exist", "layers 0 to 1"]),
        (["neurons.layers=-1"], ["layer -1 does not exist"]),
        (["neurons.list=[[0,24]]"], ["neuron 0.24 does not exist", "neurons 0 to 23"]),
        (["neurons.list=[[0,-1]]"], ["neuron 0.-1 does not exist"]),
        (["neurons.list=[[2,0]]"], ["layer 2 does not exist"]),
        # A subject or a corpus that is not there.
        (["model.source=nowhere/at/all"], ["model.source=nowhere/at/all", "no such folder"]),
        (["model.source=null"], ["model 'local' has no source: give model.source="]),
        (["dataset.path=nowhere"], ["dataset.path 'nowhere' does not exist"]),
        (["dataset.path=???"], ["dataset.path has no value", "dataset.path=..."]),
        # A class that is no explainer.
        (["explainer._target_=nowhere.Class"], ["module 'nowhere' could not be imported"]),
        (["explainer._target_=json.Class"], ["module 'json' has no 'Class'"]),
        (["explainer._target_=json.JSONDecoder"], ["has no 'explain'", "interface.Explainer"]),
        (
            ["explainer._target_=Class"],
            ["_target_=Class names no module; write package.module.Class"],
        ),
        (["explainer=custom"], ["explainer._target_ has no value"]),
    ],
)
def test_one_clear_message_and_nothing_else(
    command: Command, words: list[str], parts: list[str]
) -> None:
    answer = command.run(*words)
    for part in parts:
        assert part in answer.message
    assert answer.out.count("\n") <= 1  # at most the line that says what begins
    assert "hydra" not in answer.err.lower()
    assert {name for name in command.files() if not name.startswith("cache/")} == set()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ["foo"],
            [f"verb 'foo' is not known. known: {', '.join(sorted(VERBS))}."],
        ),
        (["rnu"], ["did you mean 'run'?"]),
        (["explainer=zero"], ["The verb comes first: python -m benchmark run explainer=zero"]),
        (["--explainer"], ["verb '--explainer' is not known"]),
        (["show"], ["show takes a run"]),
        (["show", "a", "0.1", "b"], ["show takes a run"]),
        (["show", "nowhere"], ["no run in 'nowhere': the folder does not exist"]),
        (["show", "nowhere", "0.1"], ["no run in 'nowhere'"]),
        (["score"], ["score takes the folder of a run first"]),
        (["score", "nowhere"], ["no run in 'nowhere'"]),
        (["score", "metrics=standard"], ["score takes the folder of a run first"]),
    ],
)
def test_other_verbs(command: Command, words: list[str], parts: list[str]) -> None:
    answer = call(*words)
    for part in parts:
        assert part in answer.message
    assert answer.out == ""


def test_a_corpus_with_nothing_in_it(command: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run = ("explainer=zero", f"dataset.path={empty}")
    assert "holds nothing that can be read (no file at all)" in command.run(*run).message
    (empty / "picture.png").write_bytes(b"x")
    assert "(1 .png)" in command.run(*run).message
    (empty / "blank.txt").write_text(" \n ")
    assert "all empty" in command.run(*run).message
    (empty / "short.txt").write_text("word2 word3 word4")
    assert "too few for one context" in command.run(*run).message
    assert command.folders() == []


def test_a_folder_that_is_no_checkpoint(command: Command, tmp_path: Path, checkpoint: Path) -> None:
    import shutil

    broken = tmp_path / "broken"
    broken.mkdir()
    run = ("explainer=zero", f"model.source={broken}")
    assert "has no config.json" in command.run(*run).message
    shutil.copytree(checkpoint, broken, dirs_exist_ok=True)
    (broken / "model.safetensors").write_bytes(b"not weights")
    assert "cannot be read" in command.run(*run).message
    (broken / "config.json").write_text("{")
    assert "config.json" in command.run(*run).message
    assert f"model.source={broken / 'config.json'} is a file" in (
        command.run("explainer=zero", f"model.source={broken / 'config.json'}").message
    )
    assert command.files() == set()


def test_a_corpus_of_dead_neurons(command: Command, tmp_path: Path, checkpoint: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    dead = tmp_path / "dead"
    shutil.copytree(checkpoint, dead)
    weights = load_file(dead / "model.safetensors")
    # Softmax weighs what the others leave: all neurons are below zero at once.
    weights["layers.0.mlp.fc_in.bias"][:] = -100
    weights["layers.0.mlp.fc_in.weight"][:] = 0
    save_file(weights, dead / "model.safetensors")
    run = ("explainer=zero", f"model.source={dead}", "neurons.layers=0")
    message = command.run(*run).message
    assert "every neuron of layers [0] is dead on corpus 'text'" in message
