"""Every public name says what it is, and its example runs as a doctest."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path

import pytest

import benchmark


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where examples write results and keep activations."""
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("name", benchmark.__all__)
def test_the_example_of_a_public_name(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    text = inspect.getdoc(getattr(benchmark, name)) or ""
    assert ">>>" in text, f"benchmark.{name} has no example"
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize(
    "name", [name for name in benchmark.__all__ if inspect.isfunction(getattr(benchmark, name))]
)
def test_a_function_names_its_arguments_and_errors(name: str) -> None:
    function = getattr(benchmark, name)
    text = inspect.getdoc(function) or ""
    assert "Raises:" in text
    for argument in inspect.signature(function).parameters:
        assert f"{argument}: " in text or name == "find_runs", argument
