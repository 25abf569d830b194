"""Figures of the model card: they are those that are measured."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from benchmark.builtin import data, evaluate
from benchmark.builtin.card import BINS_BELOW, reach_picture, render_card
from benchmark.builtin.data import encode
from benchmark.builtin.evaluate import SHIPPED
from benchmark.builtin.measure import copied_from, held_out_loss
from benchmark.builtin.ngram import KneserNeyTrigram, trigram_loss
from benchmark.builtin.recipe import ARCHITECTURES
from benchmark.corpus import Contexts, load
from benchmark.subject import load_subject
from tests.builtin.conftest import TINY, TINY_GELU, made_up_documents, train_tiny


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    """A trained folder, and the made-up documents in place of the standard library."""
    for module in (data, load):
        monkeypatch.setattr(module, "snapshot_documents", made_up_documents)
    shutil.copytree(trained, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_evaluating_writes_the_card_and_its_numbers(folder, capsys):
    assert evaluate.main(["--folder", str(folder), "--device", "cpu"]) == 0
    evaluation = json.loads((folder / "evaluation.json").read_text())
    training = json.loads((folder / "training.json").read_text())
    # The training measured the same weights on the same text.
    for number in ("nats_per_token", "bits_per_byte"):
        assert evaluation["held_out"][number] == pytest.approx(training["held_out"][number])
    card = (folder / "README.md").read_text()
    assert card == render_card(TINY, training, evaluation)
    assert card.startswith("# tiny\n")
    # Contexts of 16 tokens hold no window of 32.
    assert evaluation["texts"]["held_out_copied"] is None
    assert "an unknown share also stand in the training text" in " ".join(card.split())
    bits, counted = (evaluation[key]["bits_per_byte"] for key in ("held_out", "trigram"))
    assert f"**{100 * (1 - bits / counted):.0f} % fewer bits**" in card
    assert "](reach.svg)" in card
    assert (folder / "reach.svg").read_text() == reach_picture(evaluation["neurons"])
    assert [sum(counts) for counts in evaluation["neurons"]["reach_counts"]] == [TINY["d_mlp"]] * 2
    assert f"**{evaluation['held_out']['bits_per_byte']:.4f}**" in card
    assert f"{evaluation['trigram']['nats_per_token']:.4f}" in card
    assert "$" not in card
    assert "--folder" not in capsys.readouterr().err


def test_printing_only_writes_nothing(folder, capsys):
    before = sorted(path.name for path in folder.iterdir())
    assert evaluate.main(["--folder", str(folder), "--print-only", "--contexts", "5"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == before
    printed = json.loads(capsys.readouterr().out)
    assert printed["neurons"]["explain_contexts"] == 5
    assert len(printed["neurons"]["dead"]) == TINY["n_layers"]


def test_neurons_that_cannot_fire_are_counted_as_dead(folder):
    from safetensors.torch import load_file, save_file

    dead = evaluate.evaluate(folder, device="cpu")["neurons"]["dead"]
    weights = load_file(folder / "model.safetensors")
    weights["layers.1.mlp.fc_in.bias"][[2, 5, 7]] = -1000.0
    save_file(weights, folder / "model.safetensors")
    found = evaluate.evaluate(folder, device="cpu")
    assert found["neurons"]["never_above_zero"] == [0, 3]
    assert found["neurons"]["dead"] == [dead[0], dead[1] + 3]
    for layer, counts in enumerate(found["neurons"]["reach_counts"]):
        below = sum(counts[:BINS_BELOW])
        assert found["neurons"]["dead"][layer] == below


def test_other_text_is_warned_about(folder, monkeypatch, capsys):
    for module in (data, load):
        monkeypatch.setattr(module, "snapshot_documents", lambda: made_up_documents(40))
    assert evaluate.main(["--folder", str(folder), "--device", "cpu"]) == 0
    assert "not the text of the training" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["training.json", "config.json", "model.safetensors"])
def test_a_folder_without_a_file_is_refused(folder, missing, capsys):
    (folder / missing).unlink()
    assert evaluate.main(["--folder", str(folder), "--device", "cpu"]) == 1
    assert missing in capsys.readouterr().err


def test_a_training_record_that_lacks_a_number_is_named(folder, capsys):
    record = json.loads((folder / "training.json").read_text())
    del record["tokens_seen"]
    (folder / "training.json").write_text(json.dumps(record))
    assert evaluate.main(["--folder", str(folder), "--device", "cpu"]) == 1
    assert "tokens_seen" in capsys.readouterr().err
    assert not (folder / "README.md").exists()


def test_subject_and_trigram_are_measured_on_the_same_tokens(folder):
    subject = load_subject({"kind": "builtin", "source": str(folder)}, device="cpu")
    texts = data.load_texts()
    tokenizer = subject.tokenizer.backend_tokenizer
    training, held_out = (encode(tokenizer, each) for each in (texts.training, texts.held_out))
    ids = {"bos": subject.bos, "d_vocab": subject.d_vocab}
    counted = trigram_loss(training, held_out, texts.held_out_bytes, **ids)
    loss = held_out_loss(subject, texts)
    assert (counted.n_tokens, counted.n_bytes) == (loss.n_tokens, loss.n_bytes)
    model = KneserNeyTrigram(training, **ids)
    one_by_one = [model.log_probabilities(each).sum() for each in held_out]
    assert counted.nats == pytest.approx(-sum(one_by_one))


def test_the_template_uses_every_number_it_is_given():
    """A number that nobody sees would go stale unnoticed: the template names all of the recipe."""
    from dataclasses import fields

    from benchmark.builtin.card import TEMPLATE
    from benchmark.builtin.recipe import Recipe

    named = set(re.findall(r"\$(\w+)", TEMPLATE.read_text()))
    shown_otherwise = {"decay": "decay_percent"}
    for each in fields(Recipe):
        assert shown_otherwise.get(each.name, each.name) in named
    assert {name for name in ARCHITECTURES["solu-tiny"] if name.startswith(("n_", "d_"))} <= named


def test_the_card_of_a_gelu_subject_speaks_of_gelu(tmp_path, monkeypatch):
    for module in (data, load):
        monkeypatch.setattr(module, "snapshot_documents", made_up_documents)
    folder = tmp_path / "small_gelu"
    train_tiny(folder, architecture=TINY_GELU)
    evaluation = {**evaluate.evaluate(folder, device="cpu")}
    evaluation["texts"]["held_out_copied"] = 0.00123
    evaluate.write_card(folder, evaluation)
    card = (folder / "README.md").read_text()
    assert card.startswith("# small-gelu\n")
    assert "GELU neurons" in card
    assert "SoLU" not in card
    assert "0.12 % also stand in the training text" in " ".join(card.split())


def test_the_subject_or_the_folder_is_measured(monkeypatch):
    measured = []
    monkeypatch.setattr(evaluate, "evaluate", lambda folder, **_: measured.append(folder) or {})
    for words in ([], ["--subject", "gelu-tiny"], ["--folder", "elsewhere"]):
        assert evaluate.main([*words, "--print-only"]) == 0
    assert measured == [SHIPPED["solu-tiny"], SHIPPED["gelu-tiny"], Path("elsewhere")]


def test_copies_are_counted_once_from_whichever_split_they_are():
    """Against sets of windows: of text that stands in one split, in both, and in none."""
    generator = torch.Generator().manual_seed(0)
    common = [torch.randint(1, 50, (60,), generator=generator) for _ in range(4)]
    only_first, only_second, both, neither = common

    def split(*texts):
        tokens = torch.cat([torch.zeros(len(texts), 1, dtype=torch.long), torch.stack(texts)], 1)
        documents = torch.arange(len(texts))[:, None].expand(tokens.shape).contiguous()
        return Contexts(split="explain", bos=0, tokens=tokens, documents=documents)

    found = copied_from(
        split(only_first, only_second, both, neither),
        [split(only_first, both), split(both, only_second)],
    )
    assert found["windows"] == 4 * (60 - 32 + 1)
    assert found["share"] == 0.75
