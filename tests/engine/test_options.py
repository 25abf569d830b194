"""Options of engines are checked before anything runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from benchmark.config.catalogue import entries
from benchmark.config.compose import compose
from benchmark.config.run_config import check_config
from benchmark.engine.making import make_engine
from benchmark.engine.options import DESCRIPTIVE, OPTIONS, SubmititOptions, engine_options
from benchmark.errors import BenchmarkError


def refusal(**config: Any) -> str:
    with pytest.raises(BenchmarkError) as caught:
        engine_options(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_config_tree_names_every_engine_and_option_with_its_default() -> None:
    found = {entry.name: entry.config for entry in entries("engine")}
    assert set(found) == set(OPTIONS)
    for name, config in found.items():
        options = {key: value for key, value in config.items() if key not in DESCRIPTIVE}
        assert options == dataclasses.asdict(OPTIONS[name]())
        assert engine_options(config) == OPTIONS[name]()


def test_a_run_is_local_unless_it_says_otherwise() -> None:
    assert check_config(compose([])).engine["name"] == "local"
    config = check_config(compose(["engine=submitit", "engine.partition=gpu", "engine.workers=32"]))
    assert engine_options(config.engine) == SubmititOptions(partition="gpu", workers=32)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["engine=proceses"], "engine 'proceses' is not known; did you mean 'processes'?"),
        (["engine.workers=2"], "key 'engine.workers' is not known"),
        (["engine=processes", "engine.worker=2"], "did you mean 'engine.workers'?"),
        (["engine=processes", "engine.workers=0"], "engine.workers=0 is too small"),
        (["engine=processes", "+engine.nodes=2"], "option of engine=processes 'nodes' is not"),
        (["engine.parameters.a=1"], "option of engine=local 'parameters' is not known"),
        (["engine=ray", "engine.num_gpus=-1"], "engine.num_gpus=-1 is too small"),
    ],
)
def test_a_command_line_is_refused_in_words(words: list[str], part: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        check_config(compose(words))
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"name": "slurm"}, "engine 'slurm' is not known"),
        (
            {"name": "processes", "workers": 2.5},
            "engine.workers=2.5 must be a whole number or",
        ),
        ({"name": "processes", "workers": True}, "engine.workers=True must be a whole number"),
        ({"name": "processes", "workers": 10**7}, "engine.workers=10000000 is too large"),
        ({"name": "submitit", "workers": None}, "engine.workers=null must be a whole number."),
        ({"name": "submitit", "cluster": "pbs"}, "engine.cluster 'pbs' is not known"),
        ({"name": "submitit", "partition": " "}, "engine.partition is empty"),
        ({"name": "submitit", "partition": 3}, "engine.partition=3 must be text or null."),
        ({"name": "submitit", "parameters": 3}, "engine.parameters=3 must be a group of keys"),
        ({"name": "ray", "num_gpus": float("nan")}, "engine.num_gpus=nan is too small"),
    ],
)
def test_an_option_is_refused_in_words(config: dict[str, Any], part: str) -> None:
    assert part in refusal(**config)


@pytest.mark.parametrize(
    ("extra", "module"), [("submitit", "submitit"), ("ray", "ray")], ids=["submitit", "ray"]
)
def test_a_missing_extra_is_named_with_its_command(
    extra: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(BenchmarkError) as caught:
        make_engine({"name": extra}, tmp_path)
    assert f"pip install 'neuron-simulator-benchmark[{extra}]'" in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["engine.parameters={constraint: a100, exclude: node3}"],
        ["engine.parameters.constraint=a100", "engine.parameters.exclude=node3"],
    ],
)
def test_other_options_of_sbatch_are_typed_as_the_docs_say(words: list[str]) -> None:
    options = engine_options(check_config(compose(["engine=submitit", *words])).engine)
    assert options == SubmititOptions(parameters={"constraint": "a100", "exclude": "node3"})
