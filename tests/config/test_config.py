"""A composed configuration is either checked and typed, or refused in words about the key."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from benchmark.config.run_config import RunConfig, check_config, config_keys, listed_neurons
from benchmark.errors import BenchmarkError

GROUPS: dict[str, Any] = {
    "model": {"name": "solu-tiny", "kind": "builtin", "source": "solu_tiny"},
    "dataset": {"name": "stdlib", "kind": "stdlib"},
    "explainer": {"name": "zero", "_target_": "explainers.controls.Zero"},
    "metrics": {"name": "standard", "metrics": ["pearson", "f1"]},
    "tracking": {"name": "none", "kind": "none"},
}


def checked(*changes: str) -> RunConfig:
    composed = OmegaConf.merge(OmegaConf.create(GROUPS), OmegaConf.from_dotlist(list(changes)))
    return check_config(composed)  # type: ignore[arg-type]


def refusal(*changes: str) -> str:
    with pytest.raises(BenchmarkError) as caught:
        checked(*changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_are_those_of_the_config_tree() -> None:
    from benchmark.config.catalogue import config_folder

    shipped: Any = OmegaConf.load(config_folder() / "config.yaml")
    del shipped["defaults"], shipped["hydra"]
    ours = OmegaConf.create({**GROUPS, **OmegaConf.to_container(shipped)})
    assert check_config(ours) == checked()


def test_values_take_their_types() -> None:
    config = checked("neurons.per_layer=null", "neurons.layers=[1,0]", "seed=7", "fresh=true")
    assert config.neurons.per_layer is None
    assert config.neurons.layers == [1, 0]
    assert config.seed == 7
    assert config.fresh is True
    assert config.explainer == GROUPS["explainer"]


def test_a_name_may_be_a_number_and_a_class_names_itself() -> None:
    assert checked("dataset.name=2024").dataset["name"] == "2024"
    config = checked("explainer.name=custom", "explainer._target_=package.module.Theirs")
    assert config.explainer["name"] == "Theirs"


def test_one_value_is_a_list_of_one() -> None:
    assert checked("neurons.layers=3").neurons.layers == [3]
    assert checked("metrics.metrics=f1").metrics.metrics == ["f1"]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("neurons.per_layer=abc", ["neurons.per_layer=abc must be a whole number or null"]),
        ("context_length=16.5", ["context_length=16.5 must be a whole number"]),
        ("context_length=null", ["context_length=null must be a whole number"]),
        ("context_length=true", ["context_length=True must be a whole number"]),
        ("firing_threshold=high", ["firing_threshold=high must be a number"]),
        ("fresh=maybe", ["fresh=maybe must be true or false"]),
        ("neurons.layers=[a]", ["neurons.layers", "=a must be whole numbers in brackets"]),
        ("neurons.layers=a", ["neurons.layers=a must be whole numbers in brackets", "[0,3]"]),
        ("neurons.layers={a: 1}", ["neurons.layers={'a': 1} must be whole numbers in brackets"]),
        ("metrics.metrics=3", ["metrics.metrics=3 must be names in brackets"]),
        ("results_dir=[a]", ["results_dir=['a'] must be text"]),
        ("neurons=3", ["neurons=3: 'neurons' is a group of keys", "neurons.per_layer"]),
        ("contexts=[1]", ["contexts=[1]: 'contexts' is a group of keys", "contexts.uniform"]),
        ("model=gpt2", ["model=gpt2: 'model' is a group of keys"]),
        ("neurons.per_layr=3", ["'neurons.per_layr' is not known", "'neurons.per_layer'?"]),
        ("contextlength=3", ["key 'contextlength' is not known", "'context_length'?"]),
        ("model.revison=main", ["'model.revison' is not known", "'model.revision'?"]),
        ("metrics.metrics=[pearsn]", ["metric 'pearsn' is not known; did you mean 'pearson'?"]),
        ("metrics.metrics=[]", ["metrics.metrics is empty"]),
        ("dtype=float46", ["dtype 'float46' is not known", "float32"]),
        ("dataset.path=???", ["dataset.path has no value", "dataset.path=..."]),
        ("dataset.path=${nowhere}", ["'nowhere' not found"]),
        ("context_length=1", ["context_length=1 is too small; the smallest is 2."]),
        ("neurons.per_layer=0", ["neurons.per_layer=0 is too small"]),
        ("neurons.block_size=0", ["neurons.block_size=0 is too small"]),
        ("contexts.uniform=-1", ["contexts.uniform=-1 is too small"]),
        ("batch_tokens=0", ["batch_tokens=0 is too small"]),
        ("seed=-1", ["seed=-1 is too small; the smallest is 0."]),
        ("neurons.seed=-1", ["neurons.seed=-1 is too small"]),
        ("bootstrap.resamples=0", ["bootstrap.resamples=0 is too small"]),
        ("bootstrap.resamples=1000001", ["too large; the largest is 1000000"]),
        ("neurons.block_size=99999999999999999999", ["too large; the largest is"]),
        ("contexts.exemplars=99999999999999999999", ["too large; the largest is"]),
        ("explainer.name=null", ["explainer.name=null must be a name"]),
        ("explainer.name=[a]", ["explainer.name=['a'] must be a name"]),
        ("dataset.name=null", ["dataset.name=null must be a name"]),
        ("model.name=' '", ["model.name=  must be a name"]),
        ("results_dir=' '", ["results_dir is empty"]),
        ("bootstrap.confidence=1", ["bootstrap.confidence=1.0 is not between 0 and 1"]),
        ("firing_threshold=0", ["firing_threshold=0.0", "above 0 and at most 1"]),
        ("firing_threshold=.nan", ["firing_threshold=nan", "above 0 and at most 1"]),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(change: str, parts: list[str]) -> None:
    message = refusal(change)
    for part in parts:
        assert part in message


def test_every_key_of_the_tree_is_named() -> None:
    from benchmark.config.catalogue import config_folder

    shipped: Any = OmegaConf.load(config_folder() / "config.yaml")
    names = [name for name in shipped if name not in ("defaults", "hydra")]
    groups = [name for name in names if OmegaConf.is_dict(shipped[name])]
    inside = [f"{name}.{key}" for name in groups for key in shipped[name]]
    assert "neurons.per_layer" in inside
    assert {*names, *inside} <= set(config_keys())


def test_a_group_that_was_taken_away_is_asked_for() -> None:
    composed = OmegaConf.create({key: group for key, group in GROUPS.items() if key != "explainer"})
    with pytest.raises(BenchmarkError, match=r"explainer has no value.*explainer=\.\.\."):
        check_config(composed)


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        ([[3, 400], [0, 12]], [(0, 12), (3, 400)]),
        (["3.400", "0/12"], [(0, 12), (3, 400)]),
        ("3.400", [(3, 400)]),
        ([[0, 1], "0.1", ["0", "1"]], [(0, 1)]),
    ],
)
def test_neurons_are_listed_as_pairs(given: Any, pairs: list[tuple[int, int]]) -> None:
    assert listed_neurons(given) == pairs


@pytest.mark.parametrize(
    "given",
    [
        5,
        "abc",
        [],
        [5],
        [0, 12],
        [3.4],
        [[0, 1.5]],
        [[0, True]],
        [[0]],
        [[0, 1, 2]],
        ["0.a"],
        ["0.1.2"],
        [None],
        {"0": 1},
    ],
)
def test_neurons_that_are_no_pairs_are_refused(given: Any) -> None:
    with pytest.raises(BenchmarkError, match=r'neurons\.list.*(\["0\.12"|\[0\.12\])'):
        listed_neurons(given)


def test_listed_neurons_are_read_before_anything_is_loaded() -> None:
    assert "may have lost a zero" in refusal("neurons.list=[3.400]")
    message = refusal("neurons.list=[[0,1]]", "neurons.layers=[1]")
    assert "neuron 0.1" in message
    assert "only one of the two" in message
    assert checked("neurons.list=[[1,5]]", "neurons.layers=[1]").neurons.list == [[1, 5]]
