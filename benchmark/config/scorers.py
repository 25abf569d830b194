"""Scorers that a configuration adds by name: their options, read from YAML files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.config.catalogue import NAME, Entry, find
from benchmark.errors import BenchmarkError
from benchmark.files.reading import read_yaml

TARGET = "_target_"
SUFFIXES = (".yaml", ".yml")


def resolved(names: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of every scorer, by name.

    Args:
        names: one name or a list of them: of a file in `configs/scorers`, of an installed plug-in,
            or the path of a YAML file; None for none.
        given: options by name that go before those of the files, and scorers without a file.

    Raises:
        BenchmarkError: a scorer is not known or names no class.
    """
    found: dict[str, Any] = {}
    for name in _listed(names):
        entry = _entry(name)
        found[entry.name] = {"name": entry.name, **entry.config}
    for name, options in given.items():
        if not isinstance(options, Mapping):
            raise BenchmarkError(f"scorers.{name}={options} must be the options of a scorer.")
        found[name] = {"name": name, **found.get(name, {}), **options}
    for name, options in found.items():
        if not re.fullmatch(NAME, name):
            raise BenchmarkError(
                f"scorer '{name:.60}' cannot be named so; use letters, digits and . _ - alone."
            )
        if not isinstance(options.get(TARGET), str):
            raise BenchmarkError(
                f"scorer '{name}' has no class; choose it by scorer={name}, or name one with "
                f"scorers.{name}.{TARGET}=package.module.Class."
            )
    return found


def _listed(names: Any) -> list[str]:
    if names is None:
        return []
    listed = names if isinstance(names, list | tuple) else str(names).split(",")
    return [str(name).strip() for name in listed if str(name).strip()]


def _entry(name: str) -> Entry:
    """Return a scorer by its name, or by the path of its file."""
    path = Path(name).expanduser()
    if path.suffix not in SUFFIXES:
        return find("scorer", name)
    if not path.is_file():
        raise BenchmarkError(f"scorer={name}: there is no such file.")
    config = read_yaml(path)
    if not isinstance(config, Mapping):
        raise BenchmarkError(f"'{path}' is damaged: it holds no keys.")
    return Entry(str(config.get("name", path.stem)), str(config.get("description", "")), config)
