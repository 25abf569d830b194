"""A training ends with the same weights however often it is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmark.builtin import train as command
from benchmark.builtin.recipe import ARCHITECTURES, RECIPES, Recipe
from benchmark.builtin.trainer import Trainer
from benchmark.errors import BenchmarkError
from benchmark.subject import load_subject
from tests.builtin.conftest import RECIPE, TINY, TINY_GELU, made_up_documents, train_tiny


def same_weights(one, other):
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def stop_after(patch, step, number=signal.SIGINT):
    """Send this process a signal after a step."""
    take_step = Trainer.take_step

    def step_and_signal(self, rows):
        loss = take_step(self, rows)
        if self.step == step:
            os.kill(os.getpid(), number)
        return loss

    patch.setattr(Trainer, "take_step", step_and_signal)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_stopped_loses_no_step(trained, tmp_path, number):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 4, number)
        assert train_tiny(tmp_path) == 128 + number
    assert not (tmp_path / "model.safetensors").exists()
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 4
    assert train_tiny(tmp_path) == 0
    assert same_weights(trained, tmp_path)
    # The handlers are those of before.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_training_that_is_killed_continues_from_its_checkpoint(trained, tmp_path, monkeypatch):
    steps = []
    take_step = Trainer.take_step

    def step_and_die(self, rows):
        steps.append(self.step)
        if self.step == 5 and len(steps) == 6:
            raise MemoryError
        return take_step(self, rows)

    monkeypatch.setattr(Trainer, "take_step", step_and_die)
    with pytest.raises(MemoryError):
        train_tiny(tmp_path, checkpoint_every=2)
    (tmp_path / "checkpoint.pt.0123.partial").write_bytes(b"half a checkpoint")
    assert train_tiny(tmp_path, checkpoint_every=2) == 0
    assert steps == [0, 1, 2, 3, 4, 5, 4, 5]
    assert same_weights(trained, tmp_path)
    assert not list(tmp_path.glob("*.partial"))


def test_a_finished_training_is_not_repeated(trained, monkeypatch):
    before = load_file(trained / "model.safetensors")
    monkeypatch.setattr(Trainer, "take_step", None)
    assert train_tiny(trained) == 0
    after = load_file(trained / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("architecture", [TINY, TINY_GELU], ids=["solu", "gelu"])
def test_the_folder_is_a_subject(architecture, tmp_path):
    trained = tmp_path / "trained"
    train_tiny(trained, architecture=architecture)
    subject = load_subject({"name": "local", "kind": "local", "source": str(trained)}, device="cpu")
    assert (subject.n_layers, subject.n_units(0), subject.n_ctx, subject.bos) == (2, 24, 16, 0)
    site = "ln.hook_in" if architecture is TINY else "hook_post"
    assert subject.site == "blocks.{layer}.mlp." + site
    weights = load_file(trained / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert json.loads((trained / "config.json").read_text()) == architecture


def test_the_training_is_written_down(trained):
    record = json.loads((trained / "training.json").read_text())
    assert Recipe(**record["recipe"]) == RECIPE
    assert record["tokens_seen"] == 6 * 4 * 16
    assert record["texts"]["training_documents"] + record["texts"]["held_out_documents"] == 30
    assert 0 < record["held_out"]["bits_per_byte"] < 8


def test_it_learns(tmp_path):
    """After some steps the loss is far below that of the first weights."""
    losses = {}
    for steps in (1, 40):
        train_tiny(tmp_path / str(steps), Recipe(steps=steps, batch=8, warmup=2))
        record = json.loads((tmp_path / str(steps) / "training.json").read_text())
        losses[steps] = record["held_out"]["nats_per_token"]
    assert losses[40] < losses[1] - 1


@pytest.mark.parametrize(
    ("recipe", "documents", "message"),
    [
        (Recipe(steps=9, batch=4, warmup=2), None, "--steps 6, not 9"),
        (Recipe(steps=5, batch=4, warmup=2), None, "--steps 6, not 5"),
        (Recipe(steps=6, batch=4, warmup=3), None, "--warmup 2, not 3"),
        (Recipe(steps=6, batch=4, warmup=2, seed=1), None, "--seed 0, not 1"),
        (RECIPE, made_up_documents(31), "other text"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(trained, recipe, documents, message):
    with pytest.raises(BenchmarkError, match=message):
        train_tiny(trained, recipe, documents)


def test_a_damaged_checkpoint_is_named(tmp_path):
    train_tiny(tmp_path, Recipe(steps=1, batch=4))
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BenchmarkError, match=r"checkpoint\.pt is damaged"):
        train_tiny(tmp_path, Recipe(steps=1, batch=4))


def test_a_torch_without_muon_is_named(tmp_path, monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(BenchmarkError, match="has no Muon"):
        train_tiny(tmp_path)


def test_text_that_fills_no_batch_is_refused(tmp_path):
    with pytest.raises(BenchmarkError, match="fewer than one batch"):
        train_tiny(tmp_path, Recipe(steps=1, batch=5000))


@pytest.mark.parametrize(
    "arguments", [["--steps", "0"], ["--dropout", "1"], ["--decay", "1.5"], ["--seed", "-1"]]
)
def test_numbers_that_cannot_be_are_refused(arguments, tmp_path, capsys):
    assert command.main(["--out", str(tmp_path), *arguments]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {arguments[0]}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--evaluate-every", "--checkpoint-every"])
def test_an_interval_of_no_steps_is_refused(option, tmp_path, capsys):
    assert command.main(["--out", str(tmp_path), option, "0"]) == 1
    assert capsys.readouterr().err == f"error: {option} 0: give 1 or more.\n"


def test_the_help_shows_the_recipe_of_the_shipped_weights(capsys, monkeypatch):
    recipes = {"solu-tiny": Recipe(steps=70), "gelu-tiny": Recipe(steps=80)}
    monkeypatch.setattr("benchmark.builtin.recipe.RECIPES", recipes)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        command.main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "steps of the optimisers (default: solu-tiny 70, gelu-tiny 80)" in shown
    assert "windows a step (default: 32)" in shown


@pytest.mark.parametrize("subject", ARCHITECTURES)
def test_the_command_trains_the_subject_it_names(subject, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        command, "train", lambda recipe, folder, **options: calls.append((recipe, folder, options))
    )
    monkeypatch.setitem(RECIPES, subject, Recipe(steps=50, batch=3))
    command.main(["--subject", subject, "--batch", "7", "--evaluate-every", "11"])
    ((recipe, folder, options),) = calls
    assert recipe == Recipe(steps=50, batch=7)
    assert folder == Path("training") / subject
    assert options["architecture"] == ARCHITECTURES[subject]
    assert options["evaluate_every"] == 11


def test_a_training_that_is_made_longer_equals_one_that_was_long_from_the_start(tmp_path):
    """And one made shorter likewise, as long as the learning rate has not begun to fall."""
    short, long = (Recipe(steps=steps, batch=4, warmup=2) for steps in (8, 12))
    for first, then in ((short, long), (long, short)):
        stopped, whole = (tmp_path / f"{name}{then.steps}" for name in ("stopped", "whole"))
        with pytest.MonkeyPatch.context() as patch:
            stop_after(patch, 5)
            assert train_tiny(stopped, first) != 0
        assert train_tiny(stopped, then) == 0
        assert train_tiny(whole, then) == 0
        assert same_weights(stopped, whole)
        assert json.loads((stopped / "training.json").read_text())["recipe"]["steps"] == then.steps


def test_a_checkpoint_of_another_subject_is_refused(trained):
    with pytest.raises(BenchmarkError, match="belongs to another subject"):
        train_tiny(trained, architecture=TINY_GELU)


def test_both_subjects_learn_the_same_tokenizer_from_the_same_text(trained, tmp_path):
    assert train_tiny(tmp_path, architecture=TINY_GELU) == 0
    assert (tmp_path / "tokenizer.json").read_bytes() == (trained / "tokenizer.json").read_bytes()


def test_the_losses_are_printed_beside_that_of_the_trigram_model(tmp_path, capsys):
    assert train_tiny(tmp_path, evaluate_every=2) == 0
    shown = capsys.readouterr()
    record = json.loads((tmp_path / "training.json").read_text())
    counted, final = (record[key]["bits_per_byte"] for key in ("trigram", "held_out"))
    assert shown.out.count("trigram model with the same tokenizer: ") == 1
    assert f"{counted:.4f} bits per byte" in shown.out
    # So few steps do not beat counting.
    assert final > counted
    assert f"{100 * (final / counted - 1):.1f} % above the trigram model's" in shown.out
    steps = re.findall(r"step (\d+): held-out loss", shown.out + shown.err)
    assert steps == ["2", "4", "6"]
