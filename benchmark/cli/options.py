"""Options of a choice: from the config tree with its comments, of a plug-in from its class."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmark.config.catalogue import DESCRIPTIVE, Entry, config_folder
from benchmark.files.reading import read_yaml
from benchmark.plugins.isolation import isolated

_LINE = re.compile(r"(?P<key>\w+):(?P<value>[^#]*?|\s*\"[^\"]*\"\s*)(?:\s#\s*(?P<comment>.*))?")
REQUIRED = "(required)"
LONGEST = 60  # letters of what a plug-in says


@dataclass(frozen=True)
class Option:
    """One option of a choice.

    Attributes:
        name: as in `explainer.<name>=...`.
        default: as it is typed.
        description: what it is, empty where nobody says.
    """

    name: str
    default: str
    description: str


def options_of(group: str, entry: Entry) -> list[Option]:
    """Return the options of a choice of a config group, in the order in which they are written."""
    path = config_folder() / group / f"{entry.name}.yaml"
    if not path.is_file():
        return _of_class(str(entry.config.get("_target_", "")))
    return list(_of_file(path).values())


def _of_file(path: Path) -> dict[str, Option]:
    """Return the options of a config file, after those of the files that it builds on."""
    options: dict[str, Option] = {}
    for base in (read_yaml(path) or {}).get("defaults", ()):
        if base != "_self_":
            options |= _of_file(path.with_name(f"{base}.yaml"))
    above = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        nested = re.match(r"\s+\S", line)
        found = _LINE.fullmatch(line.strip()) if not line.startswith("#") else None
        if found is None or found["key"] in (*DESCRIPTIVE, "_target_", "defaults"):
            continue
        name = f"{above}.{found['key']}" if nested else found["key"]
        value = found["value"].strip()
        if not nested and not value:
            above = found["key"]
            continue
        if value == "???":
            value = REQUIRED
        options[name] = Option(name, value, (found["comment"] or "").strip())
    return options


def _of_class(target: str) -> list[Option]:
    """Return the arguments of a class; none where it cannot be imported or does not say."""
    module, _, name = target.rpartition(".")
    try:
        with isolated(target, "while it is imported"), contextlib.redirect_stdout(sys.stderr):
            signature = inspect.signature(getattr(importlib.import_module(module), name))
            return [
                Option(one.name, _default(one), _kind(one))
                for one in signature.parameters.values()
                if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
            ]
    except Exception:  # a plug-in may raise anything when it is imported or shown
        return []


def _default(parameter: inspect.Parameter) -> str:
    """Return the default of an argument as it is typed."""
    value = parameter.default
    if value is parameter.empty:
        return REQUIRED
    known = {None: "null", True: "true", False: "false"}
    plain = value is None or isinstance(value, bool)
    return known[value] if plain else str(value)[:LONGEST]


def _kind(parameter: inspect.Parameter) -> str:
    """Return the annotation of an argument as text."""
    kind = parameter.annotation
    if kind is parameter.empty:
        return ""
    return str(kind if isinstance(kind, str) else getattr(kind, "__name__", kind))[:LONGEST]
