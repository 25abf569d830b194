"""Objects of classes that configurations name by `_target_`: imported, checked, made."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from benchmark.errors import BenchmarkError, described
from benchmark.plugins.isolation import EndsProgramError, isolated, reason_of
from benchmark.plugins.objects import NOT_OPTIONS, TARGET, class_of, object_of


def make(config: Mapping[str, Any], kind: str, key: str = "") -> Any:
    """Make the object that a config names by `_target_`, its other keys being its options.

    One that a program handed over as an object is that object.

    Args:
        config: the config.
        kind: what it is of, for messages: `explainer`, `simulator` or `scorer`.
        key: where the configuration has it, by default under its kind.

    Raises:
        BenchmarkError: there is no class, it cannot be imported, or it refuses its options.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    given = object_of(config)
    if given is not None:
        return given
    target = str(config[TARGET])
    label = f"'{target}'"
    if config.get("name") not in (None, target.rpartition(".")[2]):
        label = f"'{config['name']}' ({target})"
    imported_class(target, kind, label, key)
    try:
        with isolated(target, "while it is made", warn=True, kind=kind):
            return instantiate(options_of(config), _convert_="all")
    except (InstantiationException, EndsProgramError) as error:
        reason = error.__cause__ if isinstance(error, InstantiationException) else None
        raise BenchmarkError(
            f"{kind} {label} could not be made: {described(reason or error)}"
        ) from error


def options_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a config is for its class: all but what is for people and the results."""
    return {name: value for name, value in config.items() if name not in NOT_OPTIONS}


def imported_class(target: str, kind: str, label: str, key: str = "") -> Any:
    """Import the class that `package.module.Class` names; `label` is what messages call it.

    Raises:
        BenchmarkError: there is none, or its module cannot be imported.
    """
    handed_over = class_of(target)
    if handed_over is not None:
        return handed_over
    module_name, _, class_name = target.rpartition(".")
    if not module_name:
        raise BenchmarkError(
            f"{key or kind}.{TARGET}={target} names no module; write package.module.Class."
        )
    try:
        with isolated(target, "while it is imported", warn=True, kind=kind):
            module = importlib.import_module(module_name)
            known = hasattr(module, class_name)
    except Exception as error:
        raise BenchmarkError(
            f"{kind} {label}: module '{module_name}' could not be imported: {reason_of(error)}"
        ) from error
    if not known:
        raise BenchmarkError(f"{kind} {label}: module '{module_name}' has no '{class_name}'.")
    return getattr(module, class_name)
