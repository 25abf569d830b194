"""Imports run one way: between packages, between the rooms of `benchmark`, and between files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "metrics": set(),
    "benchmark": {"metrics", "configs"},
    "explainers": {"benchmark", "metrics"},
    "leaderboards": {"benchmark", "metrics"},
}
"""Which of our packages each may import; the verbs of `benchmark/cli` also import leaderboards."""

STOREYS = [
    {"cli"},
    {"conformance", "graphs", "analysis"},
    {"api", "importing"},
    {"evaluation", "builtin"},
    {"scorers", "simulators"},
    {"plugins", "tracking", "evidence"},
    {"subject", "results", "corpus", "config", "engine", "llm"},
    {"files", "terminal"},
    {"interface", "column", "errors", "token_text", "vocabulary"},
]
"""The rooms of `benchmark`, from the top; a room imports its own storey and those below."""

STOREY = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}
MOST_ROOMS = 26
ENTRANCES = {"__init__", "__main__"}  # they load names lazily, and start the command line


@cache
def files() -> dict[str, Path]:
    """Every module of our packages by its dotted name; a package by its own."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported(module: str) -> frozenset[str]:
    """The modules of ours that a module imports, in functions and for types too."""
    return frozenset(
        name
        for node in ast.walk(ast.parse(files()[module].read_text(encoding="utf-8")))
        for name in _named(node)
        if name != module
    )


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in files())
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            # `from package import name` is a module or something that the package holds.
            name = f"{node.module}.{alias.name}"
            if name in files():
                yield name
            elif node.module in files():
                yield str(node.module)


def room(module: str) -> str:
    """The room of a module of `benchmark`: the first name below the package."""
    return [*module.split("."), "__init__"][1]


def circles(arrows: dict[str, frozenset[str]]) -> list[list[str]]:
    """Groups of two and more that reach each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def test_circles_are_found() -> None:
    arrows = {"a": "b", "b": "c", "c": "bd", "d": "e", "e": "", "f": "af"}
    assert circles({node: frozenset(to) for node, to in arrows.items()}) == [["b", "c"]]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    modules = [module for module in files() if module.partition(".")[0] == package]
    assert modules
    for module in modules:
        allowed = PACKAGES[package] | {package}
        if module.startswith("benchmark.cli."):
            allowed = allowed | {"leaderboards"}
        assert {name.partition(".")[0] for name in imported(module)} <= allowed, module


def test_benchmark_has_few_rooms_and_each_stands_on_a_storey() -> None:
    rooms = {room(module) for module in files() if module.startswith("benchmark")} - ENTRANCES
    assert rooms - STOREY.keys() == set()
    assert len(rooms) <= MOST_ROOMS


@pytest.mark.parametrize("name", sorted(STOREY))
def test_a_room_imports_its_own_storey_and_those_below(name: str) -> None:
    upwards = {
        f"{module} imports {other}"
        for module in files()
        if module.startswith("benchmark.") and room(module) == name
        for other in imported(module)
        if other.startswith("benchmark.") and STOREY.get(room(other), -1) < STOREY[name]
    }
    assert upwards == set()


def test_no_rooms_import_each_other() -> None:
    arrows: dict[str, set[str]] = {name: set() for name in STOREY}
    for module in files():
        if module.startswith("benchmark.") and room(module) in arrows:
            others = {room(name) for name in imported(module) if name.startswith("benchmark.")}
            arrows[room(module)] |= others & arrows.keys()
    assert circles({name: frozenset(to) for name, to in arrows.items()}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_files_import_each_other(package: str) -> None:
    arrows = {
        module: frozenset(name for name in imported(module) if name.partition(".")[0] == package)
        for module in files()
        if module.partition(".")[0] == package
    }
    assert circles(arrows) == []


FORBIDDEN = {
    "explainers": ("benchmark.subject", "benchmark.results", "benchmark.evaluation"),
    "leaderboards": ("benchmark.cli",),
    "benchmark.subject": ("benchmark.evidence",),
}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_what_a_package_never_imports(package: str) -> None:
    found = {
        f"{module} imports {name}"
        for module in files()
        if f"{module}.".startswith(f"{package}.")
        for name in imported(module)
        if f"{name}.".startswith(tuple(f"{other}." for other in FORBIDDEN[package]))
    }
    assert found == set()
