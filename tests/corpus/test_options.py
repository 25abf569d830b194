"""The dataset part of the configuration, and the files that ship with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

import configs
from benchmark.config.catalogue import find
from benchmark.corpus.options import DatasetOptions
from benchmark.errors import BenchmarkError

FOLDER = Path(configs.__file__).parent / "dataset"


def shipped(name: str) -> DictConfig:
    return OmegaConf.create(dict(find("dataset", name).config))


@pytest.mark.parametrize("name", ["stdlib", "text", "c4-code", "pile", "hub"])
def test_every_shipped_file_is_valid_and_explains_itself(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    assert file.read_text(encoding="utf-8").startswith("# ")
    config = shipped(name)
    if name == "text":
        config.path = "novels"
    if name == "hub":
        config.repo = "some/texts"
    options = DatasetOptions.from_config(config)
    assert options.name == name
    assert options.description
    assert options.fractions == {"explain": 0.8, "calibrate": 0.1, "held_out": 0.1}
    assert options.split_seed == 0


def test_the_shipped_files_name_these_sources() -> None:
    found = {file.stem: OmegaConf.load(file) for file in FOLDER.glob("[!_]*.yaml")}
    assert set(found) == {"stdlib", "python", "text", "c4-code", "pile", "hub"}
    assert found["c4-code"].repo == "NeelNanda/c4-code-20k"
    assert found["pile"].repo == "NeelNanda/pile-10k"
    assert found["stdlib"].kind == "stdlib"
    assert found["python"].kind == "python"


@pytest.mark.parametrize(("name", "way_out"), [("text", "dataset.path="), ("hub", "dataset.repo=")])
def test_what_a_shipped_file_leaves_open_is_asked_for(name: str, way_out: str) -> None:
    with pytest.raises(BenchmarkError, match=f"dataset '{name}' needs {way_out}"):
        DatasetOptions.from_config(shipped(name))


def test_only_text_is_cut_unless_asked() -> None:
    assert DatasetOptions.from_config({"kind": "stdlib"}).max_document_characters is None
    text = {"kind": "text", "path": "novels"}
    assert DatasetOptions.from_config(text).max_document_characters == 20_000
    never = {**text, "max_document_characters": None}
    assert DatasetOptions.from_config(never).max_document_characters is None


def test_a_number_for_a_revision_is_its_digits() -> None:
    options = DatasetOptions.from_config({"kind": "hub", "repo": "a/b", "revision": 1234567})
    assert options.revision == "1234567"


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ({"kind": "stdlb"}, ["dataset.kind 'stdlb'", "did you mean 'stdlib'"]),
        ({}, ["dataset.kind 'None'", "stdlib", "text", "hub"]),
        ({"kind": "text"}, ["'text' needs dataset.path=<file or folder>"]),
        ({"kind": "text", "path": "???", "name": "mine"}, ["'mine' needs dataset.path="]),
        ({"kind": "hub", "repo": None}, ["'hub' needs dataset.repo=<owner>/<name>"]),
        ({"kind": "stdlib", "split_sed": 1}, ["option 'split_sed'", "did you mean 'split_seed'"]),
        ({"kind": "stdlib", "split_seed": "x"}, ["dataset.split_seed", "'x'"]),
        ({"kind": "stdlib", "max_documents": 0}, ["dataset.max_documents", "positive", "0"]),
        ({"kind": "stdlib", "max_document_characters": 1.5}, ["max_document_characters", "1.5"]),
        ({"kind": "text", "path": ["a"]}, ["dataset.path must be a string", "['a']"]),
        ({"kind": "text", "path": "a", "encoding_errors": "ignore"}, ["'ignore'", "replace"]),
        ({"kind": "stdlib", "fractions": 0.8}, ["dataset.fractions must name explain", "0.8"]),
    ],
)
def test_what_is_wrong_is_named(config: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(BenchmarkError) as raised:
        DatasetOptions.from_config(config)
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("fractions", "part"),
    [
        ({"explain": 0.8, "calibrate": 0.1, "held_out": 0.2}, "must sum to 1, not 1.1"),
        ({"explain": 1.0, "calibrate": 0.0, "held_out": 0.0}, "held_out is 0; it must be more"),
        ({"explain": 0.0, "calibrate": 0.5, "held_out": 0.5}, "explain is 0; it must be more"),
        ({"explain": 1.2, "calibrate": -0.3, "held_out": 0.1}, "explain is 1.2"),
        ({"explain": 0.9, "calibrate": -0.1, "held_out": 0.2}, "calibrate is -0.1"),
        ({"explain": 0.9, "held_out": 0.1}, "calibrate must be a number, not None"),
        ({"explain": 0.9, "calibrate": "x", "held_out": 0.1}, "calibrate must be a number"),
        ({"explain": 0.9, "calibrate": 0, "heldout": 0.1}, "did you mean 'held_out'"),
        ({"explain": float("nan"), "calibrate": 0, "held_out": 0.1}, "explain is nan"),
    ],
)
def test_fractions_that_are_none(fractions: dict[str, Any], part: str) -> None:
    with pytest.raises(BenchmarkError) as raised:
        DatasetOptions.from_config({"kind": "stdlib", "fractions": fractions})
    assert part in str(raised.value)


def test_calibrate_may_be_empty() -> None:
    fractions = {"explain": 0.9, "calibrate": 0, "held_out": 0.1}
    options = DatasetOptions.from_config({"kind": "stdlib", "fractions": fractions})
    assert options.fractions == fractions
