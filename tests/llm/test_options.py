"""Options of the config group `llm`: what is refused, and that no key gets into a configuration."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchmark.cli.options import options_of
from benchmark.config.catalogue import entries
from benchmark.config.compose import compose
from benchmark.config.run_config import check_config
from benchmark.errors import BenchmarkError
from benchmark.llm.handing import chosen_config, without_model
from benchmark.llm.making import llm_identity
from benchmark.llm.options import LocalOptions, OpenAIOptions, llm_options

SERVER = {"name": "openai", "model": "m"}
LOCAL = {"name": "local", "source": "s"}


def composed(*words: str) -> Any:
    return check_config(compose(words)).llm


def test_every_option_is_described_where_it_is_listed() -> None:
    kinds = {entry.name: options_of("llm", entry) for entry in entries("llm")}
    assert set(kinds) == {"none", "openai", "local"}
    for kind, options in (("openai", OpenAIOptions), ("local", LocalOptions)):
        assert {one.name for one in kinds[kind]} == {
            one.name for one in dataclasses.fields(options)
        }
        assert all(one.description for one in kinds[kind])


def test_a_configuration_chooses_one() -> None:
    assert composed()["name"] == "none"
    found = llm_options(
        composed("llm=openai", "llm.model=2024", "llm.max_usd=2", "llm.parameters={top_p: 0.5}")
    )
    assert isinstance(found, OpenAIOptions)
    assert (found.model, found.max_usd, found.parameters) == ("2024", 2, {"top_p": 0.5})
    assert found.url == "https://api.openai.com/v1"
    nested = composed("llm=openai", "llm.model=m", "llm.parameters.seed=3")
    assert nested["parameters"] == {"seed": 3}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("llm=opnai",), "llm 'opnai' is not known; did you mean 'openai'?"),
        (("llm=openai",), "llm.model has no value; give it one"),
        (("llm=local",), "llm.source has no value; give it one"),
        (("llm=openai", "llm.model=m", "llm.modle=m"), "did you mean 'llm.model'?"),
        (("llm=openai", "llm.model=m", "llm.retries=many"), "llm.retries=many must be a whole"),
        (("llm=openai", "llm.model=m", "llm.concurrency=0"), "the smallest is 1."),
        (("llm=openai", "llm.model=m", "llm.concurrency=99999"), "the largest is 4096."),
        (("llm=openai", "llm.model=m", "llm.max_usd=-1"), "llm.max_usd=-1 is too small"),
        (("llm=openai", "llm.model=m", "llm.timeout=.nan"), "llm.timeout="),
        (("llm=openai", "llm.model=m", "llm.base_url=localhost"), "write http://localhost:8000/v1"),
        (("llm=openai", "llm.model=m", "llm.parameters={model: x}"), "what each request says"),
        (("llm=local", "llm.source=s", "llm.dtype=float8"), "llm.dtype 'float8' is not known"),
        (("llm=local", "llm.source=s", "llm.source=''"), "llm.source is empty"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BenchmarkError) as found:
        composed(*words)
    assert said in str(found.value)


@pytest.mark.parametrize(
    "option",
    [
        {"api_key_variable": "sk-secret-0123"},
        {"base_url": "http://me:sk-secret-0123@localhost/v1"},
        {"base_url": "http://localhost/v1?key=sk-secret-0123"},
    ],
)
def test_a_key_in_the_configuration_is_refused_and_not_repeated(option: dict[str, str]) -> None:
    with pytest.raises(BenchmarkError) as found:
        llm_options({**SERVER, **option})
    assert "sk-secret" not in str(found.value)


def test_what_determines_answers() -> None:
    same = [{"concurrency": 3}, {"api_key_variable": "X"}, {"timeout": 1.0}, {"max_usd": 1.0}]
    same += [{"base_url": None}, {"base_url": "https://api.openai.com/v1/"}]
    others = [{"model": "n"}, {"base_url": "http://localhost/v1"}, {"parameters": {"top_p": 0.1}}]
    identity = llm_identity(SERVER)
    assert all(llm_identity({**SERVER, **one}) == identity for one in same)
    assert all(llm_identity({**SERVER, **one}) != identity for one in others)


def test_one_of_ones_own_is_of_the_kind_that_its_keys_tell() -> None:
    shared = {"name": "none"}
    assert chosen_config("simulator", {"llm": {"source": "s"}}, shared)["name"] == "local"
    assert chosen_config("simulator", {"llm": {"model": "m"}}, shared)["name"] == "openai"
    assert chosen_config("simulator", {"llm": None}, LOCAL) == LOCAL
    assert without_model({"llm": {"model": "m"}, "a": 1}) == {"llm": None, "a": 1}
    assert without_model({"llm": "my own option"}) == {"llm": "my own option"}
