"""Properties of every explainer of this package, built from its config as the harness does."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import pytest
import torch
import yaml
from hydra.errors import InstantiationException
from hydra.utils import instantiate

import configs
from benchmark.evaluation.simulate import simulate
from benchmark.files.explanation_size import SHOWN, explanation_bytes
from benchmark.graphs import NeuronGraph, OffersGraph, to_svg
from benchmark.interface import (
    EVIDENCE_KINDS,
    EXEMPLARS,
    EXEMPLARS_AND_SAMPLE,
    Explainer,
    Explanation,
    Failure,
    NeedsSubject,
)
from tests.explainers.planted import PlantedSubject, make_evidence, random_contexts

FOLDER = Path(configs.__file__).parent / "explainer"
# One explanation of each class as version 0.1 saved it, and what it simulated and described.
OLD_FORMS = [
    json.loads(line)
    for line in Path(__file__).with_name("old_explanations.jsonl").read_text("utf-8").splitlines()
]
CONTROLS = ("zero", "mean", "random", "shuffled", "oracle")
# Methods that ask the subject about further contexts.
ASKING = ("n2g", "n2g_plus", "local_search", "fasttext")
# Those whose kind of evidence is an option.
CHOOSING = ("token_lookup", "max_examples", "context_tree", "n2g_plus", "local_search", "fasttext")
NAMES = (*CONTROLS, "token_lookup", "max_examples", "context_tree", *ASKING)
DESCRIPTIVE = ("name", "description", "control")


def config_of(name):
    text = (FOLDER / f"{name}.yaml").read_text("utf-8")
    return yaml.safe_load(text.replace("${seed}", "0"))  # Hydra puts the run's seed there


def build(name, **further):
    options = {key: value for key, value in config_of(name).items() if key not in DESCRIPTIVE}
    return instantiate({**options, **further}, _convert_="all")


def explained(name, subject, evidence=None, **options):
    explainer = build(name) if evidence is None else build(name, evidence=evidence)
    shown = make_evidence(subject, **options).restricted_to(explainer.evidence)
    return explainer, shown, explainer.explain(shown, subject)


@pytest.mark.parametrize("name", NAMES)
def test_a_config_describes_its_explainer(name):
    config = config_of(name)
    assert config["name"] == name
    assert config["description"]
    assert config["control"] == (name in CONTROLS)
    explainer = build(name)
    assert isinstance(explainer, Explainer)
    assert explainer.evidence in EVIDENCE_KINDS


@pytest.mark.parametrize("evidence", EVIDENCE_KINDS)
@pytest.mark.parametrize("name", CHOOSING)
def test_each_kind_of_evidence_that_an_explainer_can_learn_from(name, evidence):
    """Alone or in the block a neuron is explained alike, and from no sample where none is named."""
    subject = PlantedSubject()
    if name != "fasttext" and evidence.endswith("text"):
        with pytest.raises(InstantiationException, match=f"evidence of {name} '.*' is not known"):
            build(name, evidence=evidence)
        return
    options = {"n_sample": 12, "n_explain": 30}
    explainer, shown, explanations = explained(name, subject, evidence, **options)
    assert explainer.evidence == evidence
    assert (shown.sample is not None) == ("sample" in evidence)
    for row, one in enumerate(explanations):
        (alone,) = explainer.explain(shown.select(torch.tensor([row])), subject)
        assert alone.to_dict() == one.to_dict()
    whole = make_evidence(subject, **options)
    assert [one.to_dict() for one in explainer.explain(whole, subject)] == [
        one.to_dict() for one in explanations
    ]


@pytest.mark.parametrize("name", CHOOSING)
def test_the_sample_tells_something_that_exemplars_do_not(name):
    subject = PlantedSubject()
    found = []
    for evidence in (EXEMPLARS, EXEMPLARS_AND_SAMPLE):
        options = {"n_sample": 12, "k": 2}
        _, _, explanations = explained(name, subject, evidence, **options)
        found.append([one.to_dict() for one in explanations])
    assert found[0] != found[1]


def test_somebody_elses_class_must_be_named():
    config = config_of("custom")
    assert config["_target_"] == "???"
    assert config["control"] is False


@pytest.mark.parametrize("name", NAMES)
def test_one_explanation_per_neuron_that_does_not_touch_the_evidence(name):
    subject = PlantedSubject()
    before = make_evidence(subject)
    _, evidence, explanations = explained(name, subject)
    assert len(explanations) == 5
    assert all(isinstance(one, Explanation) for one in explanations)
    assert torch.equal(before.exemplars.tokens, evidence.exemplars.tokens)
    assert torch.equal(before.exemplars.activations, evidence.exemplars.activations)
    assert name in ASKING or subject.tokens_run == 0
    for one in explanations:
        description = one.describe()
        assert description.strip()
        assert len(description.splitlines()) <= 24
        assert max(map(len, description.splitlines())) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_it_simulates_the_same(name):
    subject = PlantedSubject()
    explainer, _, explanations = explained(name, subject)
    tokens = random_contexts(4, 9, seed=1)
    for one in explanations:
        data = one.to_dict()
        loaded = explainer.explanation_class.from_dict(json.loads(json.dumps(data)))
        if isinstance(loaded, NeedsSubject):
            loaded.bind(subject)
        assert torch.equal(loaded.simulate(tokens), one.simulate(tokens))
        assert loaded.to_dict() == data
        assert loaded.describe() == one.describe()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_not_needed_to_simulate(name):
    subject = PlantedSubject()
    explainer, _, explanations = explained(name, subject)
    tokens = random_contexts(4, 9, seed=1)
    for one in explanations:
        data = json.loads(json.dumps(one.to_dict()))
        data.pop(SHOWN, None)
        loaded = explainer.explanation_class.from_dict(data)
        if isinstance(loaded, NeedsSubject):
            loaded.bind(subject)
        assert torch.equal(loaded.simulate(tokens), one.simulate(tokens))
        assert loaded.describe().strip()


@pytest.mark.parametrize("name", NAMES)
def test_only_what_simulates_counts_as_size(name):
    _, _, explanations = explained(name, PlantedSubject())
    for one in explanations:
        data = one.to_dict()
        without = {key: value for key, value in data.items() if key != SHOWN}
        assert explanation_bytes(data) == explanation_bytes(without)
        assert ("texts" in data) is ("strongest" in data) is ("counts" in data) is False


@pytest.mark.parametrize("line", OLD_FORMS, ids=lambda line: line["class"].split(".")[1])
def test_explanations_of_earlier_versions_are_read(line):
    module, _, name = line["class"].rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    for data in (line["explanation"], kind.from_dict(line["explanation"]).to_dict()):
        loaded = kind.from_dict(json.loads(json.dumps(data)))
        predicted = loaded.simulate(torch.tensor([line["tokens"]]))
        assert torch.equal(predicted, torch.tensor([line["predicted"]]))
        assert loaded.describe() == line["described"]


@pytest.mark.parametrize("name", NAMES)
def test_together_and_one_by_one_are_the_same_to_the_last_bit(name):
    subject = PlantedSubject()
    explainer, _, explanations = explained(name, subject)
    tokens = random_contexts(5, 11, seed=2)
    together = simulate(explainer, explanations, tokens).predictions
    for one, prediction in zip(explanations, together, strict=True):
        assert torch.equal(one.simulate(tokens), prediction)
        for row in range(5):
            assert torch.equal(one.simulate(tokens[row : row + 1])[0], prediction[row])


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_neurons_does_not_matter(name):
    subject = PlantedSubject()
    order = [3, 0, 4, 2, 1]
    explainer, evidence, explanations = explained(name, subject)
    reordered = explainer.explain(evidence.select(torch.tensor(order)), subject)
    for neuron, one in zip(order, reordered, strict=True):
        assert one.to_dict() == explanations[neuron].to_dict()


@pytest.mark.parametrize("name", NAMES)
def test_a_dead_neuron_breaks_nothing(name):
    subject = PlantedSubject(with_context=False)
    explainer, evidence, explanations = explained(name, subject, neurons=[2, 6, 3])
    assert evidence.max_activation[1] == 0
    simulation = simulate(explainer, explanations, random_contexts(3, 5))
    if name not in ASKING:  # the harness does not ask about a dead neuron
        assert not any(isinstance(one, Failure) for one in simulation.explanations)
    if name not in ("shuffled", "n2g_plus"):
        assert simulation.predictions[1].eq(0).all()


@pytest.mark.parametrize("name", NAMES)
def test_contexts_of_no_and_of_one_token(name):
    explainer, _, explanations = explained(name, PlantedSubject())
    for shape in ((0, 4), (2, 1)):
        tokens = torch.zeros(shape, dtype=torch.long)
        assert simulate(explainer, explanations, tokens).predictions.shape == (5, *shape)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NAMES)
def test_evidence_and_tokens_on_a_gpu(name):
    subject = PlantedSubject()
    explainer, evidence, explanations = explained(name, subject)
    there = explainer.explain(moved(evidence, "cuda"), subject)
    tokens = random_contexts(4, 9, seed=1)
    here = simulate(explainer, explanations, tokens).predictions
    torch.testing.assert_close(simulate(explainer, there, tokens.cuda()).predictions, here)
    for one, prediction in zip(there, here, strict=True):
        torch.testing.assert_close(one.simulate(tokens.cuda()).cpu(), prediction)


def moved(value, device):
    """The same evidence with every tensor on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if not dataclasses.is_dataclass(value):
        return value
    names = [field.name for field in dataclasses.fields(value)]
    return type(value)(**{name: moved(getattr(value, name), device) for name in names})


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_drawn_is_drawn(name):
    _, _, explanations = explained(name, PlantedSubject())
    for one in explanations:
        if isinstance(one, OffersGraph):
            graph = one.graph()
            assert isinstance(graph, NeuronGraph)
            assert to_svg(graph).startswith("<svg")
            assert type(one).from_dict(one.to_dict()).graph() == graph
