"""The weights that travel with the package are what their cards say."""

from __future__ import annotations

import json

import pytest

from benchmark.builtin.card import PICTURE, reach_picture, render_card
from benchmark.builtin.data import load_texts
from benchmark.builtin.evaluate import CONTEXT_LENGTH, SHIPPED
from benchmark.builtin.measure import held_out_loss, living_neurons
from benchmark.builtin.recipe import ARCHITECTURES, RECIPES, Recipe
from benchmark.corpus import load_corpus
from benchmark.subject import load_subject

N_CONTEXTS = 256
SITES = {"solu-tiny": "blocks.{layer}.mlp.ln.hook_in", "gelu-tiny": "blocks.{layer}.mlp.hook_post"}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def written(name):
    """Reads one of the JSON files beside the weights."""
    return lambda file: json.loads((SHIPPED[name] / f"{file}.json").read_text())


@pytest.fixture(scope="module")
def subject(name):
    config = {"name": name, "kind": "builtin", "source": name.replace("-", "_")}
    return load_subject(config, device="cpu")


@pytest.fixture(scope="module")
def texts():
    return load_texts()


def test_the_shipped_subject_loads(name, subject, written):
    architecture = ARCHITECTURES[name]
    assert subject.n_layers == architecture["n_layers"]
    assert subject.n_units(0) == architecture["d_mlp"]
    assert subject.site == SITES[name]
    assert subject.bos == 0
    assert written("config") == architecture


def test_the_weights_of_both_are_small():
    sizes = [path.stat().st_size for folder in SHIPPED.values() for path in folder.glob("*.saf*")]
    assert 0 < sum(sizes) <= 24e6


def test_both_have_the_same_tokenizer():
    copies = {(folder / "tokenizer.json").read_bytes() for folder in SHIPPED.values()}
    assert len(copies) == 1


def test_they_were_trained_by_the_default_recipe(name, written):
    assert Recipe(**written("training")["recipe"]) == RECIPES[name]


def test_no_loss_shaped_the_neurons(written):
    assert not [number for number in written("training")["recipe"] if "reviv" in number]


def test_the_card_shows_what_was_measured(name, written):
    card = render_card(*(written(file) for file in ("config", "training", "evaluation")))
    assert (SHIPPED[name] / "README.md").read_text() == card
    picture = reach_picture(written("evaluation")["neurons"])
    assert (SHIPPED[name] / PICTURE).read_text() == picture


# The part of the trigram model's bits that each needs at most; gelu-tiny is about half as large.
MOST_BITS = {"solu-tiny": 0.70, "gelu-tiny": 0.71}


def test_it_is_a_language_model_worth_explaining(name, written):
    evaluation = written("evaluation")
    counted = evaluation["trigram"]["bits_per_byte"]
    assert evaluation["held_out"]["bits_per_byte"] <= MOST_BITS[name] * counted


def test_a_part_measured_again_agrees_with_the_card(subject, texts, written):
    """On the text of the card it is the same; on other text it is about as good."""
    evaluation = written("evaluation")
    part = held_out_loss(subject, texts, evaluation["held_out_part"]["every"])
    assert part.n_tokens > 10_000
    assert part.bits_per_byte <= 1.5 * evaluation["held_out"]["bits_per_byte"]
    if texts.fingerprint == evaluation["texts"]["fingerprint"]:
        for number in ("nats_per_token", "bits_per_byte"):
            expected = evaluation["held_out_part"][number]
            assert getattr(part, number) == pytest.approx(expected, rel=1e-3)


def test_the_card_speaks_of_the_text_of_the_training(written):
    evaluation, training = written("evaluation"), written("training")
    assert evaluation["texts"]["fingerprint"] == training["texts"]["fingerprint"]
    for number in ("nats_per_token", "bits_per_byte"):
        assert evaluation["held_out"][number] == pytest.approx(
            training["held_out"][number], rel=1e-3
        )


def test_there_are_living_neurons_enough_in_every_layer(subject):
    """As many as a run draws, on a part of the text already."""
    corpus = load_corpus(
        {"name": "stdlib", "kind": "stdlib", "max_documents": 100},
        subject.tokenizer,
        bos=subject.bos,
        context_length=CONTEXT_LENGTH,
    )
    explain = corpus.splits["explain"].select(slice(N_CONTEXTS))
    dead = living_neurons(subject, explain)["dead"]
    assert max(dead) <= subject.n_units(0) - 64
