"""`list` names everything that the command line takes."""

from __future__ import annotations

import json

import pytest

import metrics
from benchmark.config.catalogue import config_folder, default_names, entries, find
from benchmark.errors import BenchmarkError
from tests.command import call

KINDS = {
    "explainers": "explainer",
    "simulators": "simulator",
    "models": "model",
    "datasets": "dataset",
    "engines": "engine",
    "llms": "llm",
}


@pytest.mark.parametrize("kind", [*KINDS, "metrics"])
def test_as_text_and_as_json(kind: str) -> None:
    text, rows = call("list", kind), json.loads(call("list", kind, "--json").out)
    assert text.status == 0
    assert text.err == ""
    lines = text.out.splitlines()
    if kind == "metrics":
        assert lines.pop() == "  † fails the sanity tests: nothing is ranked by it."
    assert [line.split()[0] for line in lines] == [row["name"] for row in rows]
    for line, row in zip(lines, rows, strict=True):
        assert row["description"].strip()
        assert line.endswith(row["description"])
        assert len(line) <= 100
    assert json.loads(call("list", "--json", kind).out) == rows


def test_everything_at_once() -> None:
    found = json.loads(call("list", "--json").out)
    assert list(found) == [*KINDS, "metrics"]
    assert all(found[kind] == json.loads(call("list", kind, "--json").out) for kind in found)
    text = call("list").out
    assert all(f"{kind}:\n" in text for kind in found)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_config_is_listed_and_can_be_found(kind: str) -> None:
    group = KINDS[kind]
    names = {row["name"] for row in json.loads(call("list", kind, "--json").out)}
    files = {path.stem for path in (config_folder() / group).glob("[!_]*.yaml")}
    assert names | {"custom"} >= files
    for name in names:
        assert find(group, name).config["name"] == name


def test_what_an_explainer_is() -> None:
    rows = {row["name"]: row for row in json.loads(call("list", "explainers", "--json").out)}
    assert rows["zero"]["control"] is True
    assert rows["token_lookup"]["control"] is False
    assert rows["token_lookup"]["target"] == "explainers.token_lookup.TokenLookup"
    assert "custom" not in rows


def test_what_a_metric_is() -> None:
    rows = {row["name"]: row for row in json.loads(call("list", "metrics", "--json").out)}
    assert set(rows) == set(metrics.METRICS)
    assert rows["pearson"]["higher_is_better"] is True
    assert (rows["pearson"]["lower"], rows["pearson"]["upper"]) == (-1, 1)


def test_defaults_are_choices() -> None:
    chosen = default_names()
    groups = {"model", "dataset", "unit", "explainer", "simulator", "metrics", "tracking"}
    assert set(chosen) == groups | {"engine", "llm"}
    for group, name in chosen.items():
        assert name in {entry.name for entry in entries(group)}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ("foo",),
            "kind of list 'foo' is not known. known: datasets, engines, explainers, llms, metrics,",
        ),
        (("explainer",), "did you mean 'explainers'?"),
        (("--jsn",), "'--jsn' is not known"),
        (("models", "datasets"), "list takes one kind, not 2: models datasets."),
    ],
)
def test_what_cannot_be_listed(words: tuple[str, ...], part: str) -> None:
    assert part in call("list", *words).message


def test_a_choice_that_is_not_there_is_told_from_those_that_are() -> None:
    with pytest.raises(BenchmarkError, match="model 'solu-9l' is not known; did you mean") as found:
        find("model", "solu-9l")
    assert "solu-tiny" in str(found.value)
    assert "model=local model.source=" in str(found.value)


def test_the_options_of_an_explainer() -> None:
    from benchmark.config.catalogue import find

    answer = call("list", "explainers", "n2g")
    assert answer.status == 0, answer.err
    options = {
        line.split()[0].removeprefix("explainer."): line.split()[1]
        for line in answer.out.splitlines()
        if line.startswith(" explainer.")
    }
    config = find("explainer", "n2g").config
    given = set(config) - {"name", "description", "control", "_target_"}
    assert set(options) == given
    assert (options["exemplars"], options["combine"], options["after"]) == ("null", "mean", "5")
    assert "of a pivot's activation, that a shorter context must keep" in answer.out
    assert "class explainers.n2g.N2G" in answer.out


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_option_of_every_choice_is_there(kind: str) -> None:
    group = KINDS[kind]
    for row in json.loads(call("list", kind, "--json").out):
        config = find(group, row["name"]).config
        named = {option["key"].split(".")[1] for option in row["options"]}
        assert named == set(config) - {"name", "description", "control", "_target_"}, row["name"]
    out = call("list", kind, "--options").out
    assert all(f"{row['name']}: " in out for row in json.loads(call("list", kind, "--json").out))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("explainers", "n2h"), "explainer 'n2h' is not known"),
        (("models", "solu-9l"), "did you mean 'solu-"),
        (("--option",), "did you mean '--options'?"),
    ],
)
def test_options_of_what_is_not_there(words: tuple[str, ...], part: str) -> None:
    assert part in call("list", *words).message
