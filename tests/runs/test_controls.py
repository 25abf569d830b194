"""The controls bound the scale: the harness is wrong where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.results import Run, load_run
from tests.command import DEAD, Command, call

CONTROLS = ("zero", "mean", "random", "shuffled", "oracle")
SCORING_SETS = ("uniform", "novel", "top", "top_and_random")
ALL_SETS = (*SCORING_SETS, "uniform_small")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> dict[str, Run]:
    """All living neurons under each control and the token lookup, from one sweep."""
    command = Command(tmp_path_factory.mktemp("controls"), checkpoint, texts)
    names = ",".join((*CONTROLS, "token_lookup"))
    answer = command.run("-m", f"explainer={names}", "neurons.per_layer=null")
    assert answer.status == 0, answer.err
    found = [load_run(folder) for folder in command.folders()]
    return {run.record.explainer.name: run for run in found}


def test_all_met_the_same_neurons(runs: dict[str, Run]) -> None:
    asked = runs["zero"].scores.neurons()
    assert len(asked) > 30
    assert all(run.scores.neurons() == asked for run in runs.values())
    assert all(run.record.explainer.control == (name in CONTROLS) for name, run in runs.items())


def test_the_oracle_scores_one_on_everything(runs: dict[str, Run]) -> None:
    scores = runs["oracle"].scores
    of_sets = [name for name in scores.metric_columns if name.split("/")[0] in ALL_SETS]
    assert len(of_sets) == len(ALL_SETS) * 7
    assert len(scores.metric_columns) == len(of_sets) + 4  # detection, and that on the small set
    for name in scores.metric_columns:
        values = scores.column(name)
        known = values[~np.isnan(values)]
        assert len(known) > 20
        np.testing.assert_allclose(known, 1.0, rtol=0, atol=1e-12, err_msg=name)
    for scoring_set in SCORING_SETS:
        assert runs["oracle"].record.undefined(scoring_set) == 0
        # Correlation and cosine exist for every neuron, whether it fires on held-out text or not.
        assert not np.isnan(scores.column(f"{scoring_set}/pearson")).any()
        assert not np.isnan(scores.column(f"{scoring_set}/cosine")).any()


@pytest.mark.parametrize("name", ["zero", "mean"])
def test_a_constant_has_no_correlation_and_is_flagged(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    for scoring_set in SCORING_SETS:
        assert set(run.scores.column(f"{scoring_set}/pearson")) == {0.0}
        assert run.scores.column(f"{scoring_set}/undefined").all()
        assert run.record.undefined(scoring_set) == len(run.scores)
        summary = run.record.metric(f"{scoring_set}/pearson")
        assert summary is not None
        assert (summary.mean, summary.low, summary.high) == (0, 0, 0)
    assert np.nanmax(runs["zero"].scores.column("uniform/f1")) == 0


@pytest.mark.parametrize("name", ["random", "shuffled"])
def test_chance_is_far_below_a_method(runs: dict[str, Run], name: str) -> None:
    chance = runs[name].record.metric("uniform/pearson")
    method = runs["token_lookup"].record.metric("uniform/pearson")
    assert chance is not None
    assert method is not None
    assert chance.mean is not None
    assert method.low is not None
    assert abs(chance.mean) < 0.2 < 0.5 < method.low


def test_a_shuffled_neuron_never_keeps_its_own(runs: dict[str, Run]) -> None:
    for line in runs["shuffled"].explanations():
        assert line.explanation is not None
        assert line.explanation["shown"]["donor"] != line.neuron


def test_a_neuron_that_never_fires_is_null_where_firing_counts(runs: dict[str, Run]) -> None:
    """What cannot be computed is null for every explainer alike, and counted."""
    nulls = {name: np.isnan(run.scores.column("uniform/f1")).tolist() for name, run in runs.items()}
    assert len({tuple(values) for values in nulls.values()}) == 1
    for name, run in runs.items():
        summary = run.record.metric("uniform/f1")
        assert summary is not None
        assert summary.n_null == sum(nulls[name])
    assert not np.isnan(runs["zero"].scores.column("top_and_random/cosine")).any()


def test_dead_neurons_are_counted_and_never_drawn(runs: dict[str, Run]) -> None:
    record = runs["zero"].record
    layer, neuron = DEAD
    assert neuron not in record.neurons.per_layer[layer]
    for layer, some in record.neurons.per_layer.items():
        assert len(some) + record.neurons.dead[layer] == record.subject.d_mlp


def test_dead_neurons_that_are_named_are_said_to_be_dead(
    command: Command, runs: dict[str, Run]
) -> None:
    layer, neuron = DEAD
    living = runs["zero"].record.neurons.per_layer[layer][0]
    named = f"neurons.list=[[{layer},{neuron}],[{layer},{living}]]"
    answer = command.run("explainer=zero", named)
    assert answer.status == 0, answer.err
    says = f"of the neurons that were named, 1 is dead: {layer}.{neuron}"
    assert says in answer.out
    assert f"named, 1 is dead: {layer}.{neuron}" in command.run(named, "--dry-run").out
    run = load_run(command.folders()[0])
    assert run.record.neurons.named_dead == {layer: [neuron]}
    assert says in call("show", str(run.folder)).out
    lines = call(
        "show", str(run.folder), f"{layer}.{neuron}", "--no-direct", "--no-contexts"
    ).out.splitlines()
    assert lines[1].startswith("it is dead: never above zero on the explain split, or its largest")
    other = call("show", str(run.folder), f"{layer}.{living}", "--no-direct", "--no-contexts").out
    assert "it is dead" not in other


def test_one_table_ends_the_sweep(runs: dict[str, Run]) -> None:
    answer = call("show", str(runs["zero"].folder.parents[1]))
    lines = answer.out.splitlines()
    order = [line.split()[0] for line in lines if line.strip().startswith((*CONTROLS, "token_"))]
    assert sorted(order) == sorted(runs)
    assert order[:2] == ["oracle", "token_lookup"]
    assert "more:  python -m benchmark show" in answer.out
    assert str(runs["token_lookup"].folder) in answer.out  # the best that is no control
