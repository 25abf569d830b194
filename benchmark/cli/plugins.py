"""Usable plug-ins, found by importing them; a broken one takes nothing down."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterable
from dataclasses import replace

from benchmark.config.catalogue import (
    NAME,
    Entry,
    plugin_points,
    plugins,
    read_plugin_points,
    target_of,
)
from benchmark.plugins.isolation import isolated, reason_of
from benchmark.token_text import one_line

Problem = tuple[str, str]


def usable(entries: Iterable[Entry]) -> tuple[list[Entry], list[str]]:
    """Return the explainers without the plug-ins that cannot be used, and a line about each of
    those.

    A plug-in that can be imported is described by the first line of its class's docstring.
    """
    installed = {entry.name for entry in plugins()}
    kept: list[Entry] = []
    problems = _not_reachable()
    for entry in entries:
        if entry.name not in installed:
            kept.append(entry)
            continue
        target = str(entry.config["_target_"])
        try:
            described = _description(target)
        except Exception as error:
            problem = f"plug-in {target} cannot be imported: {reason_of(error)}"
            problems.append((entry.name, problem))
        else:
            kept.append(replace(entry, description=described or entry.description))
    lines = [f"explainer '{name}' is left out: {problem}" for name, problem in sorted(problems)]
    lines += [
        f"the entry points of the installed package '{name}' cannot be read: {problem}"
        for name, problem in read_plugin_points()[1]
    ]
    return kept, [one_line(line) for line in lines]


def _not_reachable() -> list[Problem]:
    """Return the entry points that `explainer=<name>` would not find."""
    reached = {entry.name: entry.config["_target_"] for entry in plugins()}
    problems: list[Problem] = []
    for point in plugin_points():
        target = target_of(point)
        if target is None:
            why = f"its entry point {str(point.value)!r:.60} is not module:Class"
            problems.append((point.name, why))
            continue
        if reached.get(point.name) == target:
            continue
        if not re.fullmatch(NAME, point.name):
            why = "its name may hold letters, digits and . _ - alone"
        elif point.name in reached:
            why = f"plug-in {reached[point.name]} has the same name"
        else:
            why = "an explainer of the benchmark has the same name"
        problems.append((point.name, f"plug-in {target}: {why}; use explainer._target_={target}"))
    return problems


def _description(target: str) -> str:
    """Return the first line of what a class says about itself; raises whatever importing it
    raises.
    """
    module_name, _, class_name = target.rpartition(".")
    # What a plug-in prints while it is imported is no part of a list.
    with (
        isolated(target, "while it is imported", warn=True),
        contextlib.redirect_stdout(sys.stderr),
    ):
        found = getattr(importlib.import_module(module_name), class_name)
        text = str(getattr(found, "__doc__", None) or "").strip()
    return " ".join(text.splitlines()[0].split()).rstrip(".") if text else ""
