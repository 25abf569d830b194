"""A path on the command line may hold anything; what Hydra cannot read is said in our words."""

from __future__ import annotations

import shutil
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from omegaconf import OmegaConf

from benchmark.config.run_config import config_keys
from benchmark.config.values import PATHS, quoted
from benchmark.errors import BenchmarkError
from tests.command import Command, call

PARSER = OverridesParser.create()
PATH = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text not in ("null", "???") and text[0] not in "'\"[~"
)


@given(path=PATH)
@example(path="a\\")
@example(path="a\\'b'")
@example(path="${x")
@example(path="${oc.env:HOME}")
@example(path="a\\\\${seed}'b\\")
@example(path="1e3")
@example(path=" a ")
def test_hydra_reads_a_path_as_it_was_typed(path: str) -> None:
    parsed = PARSER.parse_override(quoted(f"dataset.path={path}", sweep=False))
    assert parsed.key_or_group == "dataset.path"
    assert composed(parsed.value()) == path


def composed(value: object) -> object:
    """What a configuration gives for a value that Hydra puts into it."""
    return OmegaConf.to_container(OmegaConf.create([value]), resolve=True)[0]


@given(paths=st.lists(PATH.filter(lambda text: "," not in text), min_size=2, max_size=3))
def test_in_a_sweep_a_comma_stands_between_paths(paths: list[str]) -> None:
    parsed = PARSER.parse_override(quoted(f"dataset.path={','.join(paths)}", sweep=True))
    assert parsed.is_sweep_override()
    assert [composed(element.text) for element in parsed.value().list] == paths


@pytest.mark.parametrize(
    "word",
    [
        "dataset.path=null",
        "dataset.path=???",
        "dataset.path=",
        "dataset.path='a b'",
        'results_dir="a b"',
        "seed=1",
        "neurons.layers=[0,1]",
        "explainer=zero",
    ],
)
def test_everything_else_stays(word: str) -> None:
    assert quoted(word, sweep=False) == word


def test_a_home_is_a_home_and_no_other_name_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quoted("cache_dir=~/cache", sweep=False) == "cache_dir='~/cache'"
    assert quoted("cache_dir=~nobody-is-called-so", sweep=False) == (
        "cache_dir='./~nobody-is-called-so'"
    )


def test_paths_are_keys() -> None:
    assert {key for key in PATHS if key.endswith("_dir")} <= set(config_keys())


@pytest.mark.parametrize(
    "name", ["a = b, c", "(d) [e] {f}", "ü ~ # % + @ : ; ! ' \" \\", "2024", "${seed}"]
)
def test_runs_read_and_write_where_they_are_told(
    command: Command, texts: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(texts, tmp_path / name)
    place = tmp_path / f"to {name}"
    answer = command.run(
        "explainer=zero",
        f"dataset.path={tmp_path / name}",
        f"results_dir={place / 'results'}",
        f"cache_dir={place / 'cache'}",
    )
    assert answer.status == 0, answer.err
    assert (place / "cache" / "uniform").is_dir()
    (record,) = (place / "results").rglob("run.json")
    assert f"results: {record.parent}\n" in answer.out
    assert command.files() == set()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "dataset.name=ü",
            "the value of dataset.name=ü cannot be read; put it in quotes of its own: "
            "\"dataset.name='ü'\"",
        ),
        ("neurons.layers=[0", "the value of neurons.layers=[0 cannot be read"),
        ("seed=1,2", "seed=1,2 names several values; add -m to run one after another"),
        ("neurons.layers=0,1", "or write a list as neurons.layers=[0,1]"),
    ],
)
def test_what_hydra_cannot_read(command: Command, word: str, message: str) -> None:
    assert message in command.run("explainer=zero", word).message


@pytest.mark.parametrize("key", ["results_dir", "cache_dir"])
def test_an_empty_folder_name(command: Command, key: str) -> None:
    message = command.run("explainer=zero", f"{key}=").message
    assert message == f"{key} is empty; name a folder, or leave it out."


@pytest.mark.parametrize(
    "words",
    [
        ("show", "results", f"0.{'9' * 5000}"),
        ("run", f"seed={'9' * 5000}"),
        ("run", f"neurons.list=['0.{'9' * 5000}']"),
        ("sanity", "results", f"seed={'9' * 5000}"),
        ("similar", "results", "--top", "9" * 5000),
    ],
)
def test_a_number_beyond_all_use_is_refused(words: tuple[str, ...]) -> None:
    message = call(*words).message
    assert "holds a number of 5,000 digits" in message
    assert len(message) < 200


@pytest.mark.parametrize("key", ["model.source", "dataset.path", "explainer.name"])
def test_text_that_no_file_of_results_holds_is_refused(key: str) -> None:
    from omegaconf import OmegaConf

    from benchmark.config.run_config import check_config

    config = OmegaConf.create(
        {
            "model": {"name": "m", "source": "x"},
            "dataset": {"name": "d", "path": "x"},
            "explainer": {"name": "e", "_target_": "a.B"},
            "metrics": {"name": "standard", "metrics": ["pearson"]},
            "tracking": {"name": "none"},
        }
    )
    check_config(config.copy())
    OmegaConf.update(config, key, "caf\udce9")
    with pytest.raises(BenchmarkError, match=key.replace(".", r"\.") + r"=caf.* not UTF-8"):
        check_config(config)
