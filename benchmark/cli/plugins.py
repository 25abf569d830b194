"""Usable plug-ins, found by importing them; a broken one takes nothing down."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterable
from dataclasses import replace

from benchmark.config.catalogue import Entry, read_plugin_points, read_plugins
from benchmark.plugins.isolation import isolated, reason_of
from benchmark.token_text import one_line


def usable(entries: Iterable[Entry]) -> tuple[list[Entry], list[str]]:
    """Return the explainers but for plug-ins that cannot be used, and a line about each of those.

    A plug-in that can be imported is described by the first line of its class's docstring.
    """
    found, problems = read_plugins()
    installed = {entry.name for entry in found}
    kept: list[Entry] = []
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


def _description(target: str) -> str:
    """Return the first line of a class's docstring; raises whatever importing it raises."""
    module_name, _, class_name = target.rpartition(".")
    # What a plug-in prints while it is imported is no part of a list.
    with (
        isolated(target, "while it is imported", warn=True),
        contextlib.redirect_stdout(sys.stderr),
    ):
        found = getattr(importlib.import_module(module_name), class_name)
        text = str(getattr(found, "__doc__", None) or "").strip()
    return " ".join(text.splitlines()[0].split()).rstrip(".") if text else ""
