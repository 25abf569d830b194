"""The table of what prompts cost: counted on real prompts, written between the marks of a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.api.experiment import Experiment
from benchmark.config.catalogue import entries
from benchmark.config.compose import compose
from benchmark.config.run_config import check_config
from benchmark.errors import BenchmarkError
from benchmark.evaluation.experiment import open_experiment
from explainers.llm import LLM
from explainers.llm.style import load_style, style_names
from leaderboards.prompt_costs import (
    BEGIN,
    END,
    PAGE,
    SENTENCE,
    SIMULATORS,
    simulator_costs,
    style_costs,
    table_of,
    update,
)
from tests.command import Command


@pytest.fixture
def experiment(tmp_path: Path, checkpoint: Path, texts: Path) -> Experiment:
    small = Command(tmp_path, checkpoint, texts).small
    config = check_config(compose([*small, "neurons.per_layer=2", "explainer=zero"]))
    return Experiment(open_experiment(config))


def count(text: str) -> int:
    return len(text)


def test_costs_of_styles_are_those_of_their_prompts(experiment: Experiment) -> None:
    costs = {cost.name: cost for cost in style_costs(experiment, count)}
    assert list(costs) == style_names()
    for name, cost in costs.items():
        read, shared = [], set()
        for neuron in experiment.neurons:
            evidence = experiment.evidence(neuron)
            explainer = LLM(style=name)
            (messages,) = explainer.conversations(load_style(name), evidence, experiment.subject)
            read.append(sum(len(one.content) for one in messages))
            shared.add(sum(len(one.content) for one in messages[:-1]))
        assert cost.read == pytest.approx(sum(read) / len(read))
        assert {cost.shared} == shared
        assert cost.requests == 1


def test_costs_of_simulators_are_those_of_the_small_set(experiment: Experiment) -> None:
    costs = {cost.name: cost for cost in simulator_costs(experiment, count)}
    assert list(costs) == list(SIMULATORS)
    n_contexts = experiment.config.contexts.small
    assert costs["all_at_once"].requests == costs["json"].requests <= n_contexts
    assert costs["all_at_once"].written == 0
    assert costs["token_by_token"].requests > costs["json"].requests
    assert costs["token_by_token"].written == costs["token_by_token"].requests
    for cost in costs.values():
        assert 0 < cost.shared < cost.read
    # All but the first of the contexts could reuse the prompt up to the text.
    prefix = costs["all_at_once"].shared / (costs["all_at_once"].requests - 1)
    assert prefix > len(SENTENCE)
    assert prefix == int(prefix)


def test_the_page_is_filled_between_its_marks(experiment: Experiment, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    text = table_of(experiment, experiment.subject.tokenizer, "its own tokenizer")
    update(page, text)
    assert page.read_text() == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(BenchmarkError, match="has no marks"):
        update(page, text)
    with pytest.raises(BenchmarkError, match="cannot be read"):
        update(tmp_path / "none.md", text)


def test_the_page_names_all_styles_and_simulators() -> None:
    page = PAGE.read_text("utf-8")
    table = page.partition(BEGIN)[2].partition(END)[0]
    assert re.findall(r"^\| `(\w+)` \| [0-9,]+ \|", table, re.MULTILINE) == [
        *style_names(),
        *SIMULATORS,
    ]
    described = page.partition(BEGIN)[0]
    simulators = {entry.name for entry in entries("simulator")} - {"own", "custom"}
    for name in (*style_names(), *simulators):
        assert f"\n| `{name}` |" in described
