"""Explainers that a program hands over as objects: what is recorded of them, and where they are."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError

TARGET = "_target_"
# What of a config is for people and the results, not for the class.
NOT_OPTIONS = ("name", "description", "control")

_objects: dict[str, Any] = {}
_classes: dict[str, type] = {}


def record_object(explainer: Any) -> dict[str, Any]:
    """Return the config of an explainer or a simulator that is an object, and keep the object.

    The config holds the class and what its constructor was given, read from attributes of the same
    names, so that another process can make the explainer again if it can import the class.

    Raises:
        BenchmarkError: an argument of the constructor is not kept, or is no plain value.
    """
    config = _config_of(explainer)
    _objects[_key(config)] = explainer
    return {"name": type(explainer).__name__, **config}


def object_of(config: Mapping[str, Any]) -> Any | None:
    """Return the object that a config was recorded of in this process, None where there is none."""
    return _objects.get(_key(config))


def is_handed_over(target: str) -> bool:
    """Return whether an object of a class of this name was handed over in this process."""
    return target in _classes


def class_of(target: str) -> type | None:
    """Return a class that was handed over and that no import finds, None for others."""
    kind = _classes.get(target)
    if kind is None or not is_importable(target):
        return kind
    return (
        None if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind else kind
    )


def is_importable(target: str) -> bool:
    """Return whether the name of a class is one that another process might import."""
    return not target.startswith("__main__.") and "<" not in target


def _key(config: Mapping[str, Any]) -> str:
    options = {key: value for key, value in config.items() if key not in NOT_OPTIONS}
    return json.dumps(options, sort_keys=True, default=str)


def _config_of(explainer: Any) -> dict[str, Any]:
    kind = type(explainer)
    target = f"{kind.__module__}.{kind.__qualname__}"
    _classes[target] = kind
    return {
        TARGET: target,
        **{name: _plain(value, name, kind) for name, value in _given(explainer)},
    }


def _given(explainer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arguments of the constructor with the values that the object keeps of them."""
    maker = next(kind for kind in type(explainer).__mro__ if "__init__" in vars(kind))
    if maker is object:
        return
    if "__dataclass_fields__" in vars(maker):
        for each in dataclasses.fields(maker):
            if each.init:
                yield each.name, getattr(explainer, each.name)
        return
    for name, parameter in inspect.signature(type(explainer)).parameters.items():
        # Its own attribute comes before one of its class, which may be a default.
        own = [each for each in (name, f"_{name}") if each in getattr(explainer, "__dict__", {})]
        place = next(iter(own), name if hasattr(explainer, name) else None)
        several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        value = getattr(explainer, place) if place else None
        if place is None or (several and not isinstance(value, Mapping)):
            raise BenchmarkError(
                f"explainer '{type(explainer).__name__}' cannot be recorded: its argument '{name}' "
                f"is not kept; keep it as the attribute '{name}', make it a dataclass, or give the "
                "name of an explainer with options={...}."
            )
        if isinstance(value, Mapping) and several:
            yield from value.items()
        else:
            yield name, value


def _plain(value: Any, name: str, kind: type) -> Any:
    """Return the value of an argument as a record holds it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(entry, name, kind) for entry in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(entry, name, kind) for key, entry in value.items()}
    if hasattr(value, "explain") and not isinstance(value, type):
        return _config_of(value)
    raise BenchmarkError(
        f"explainer '{kind.__name__}' cannot be recorded: its argument '{name}' is of type "
        f"{type(value).__name__}, and a run records text, numbers, lists and dicts; give it such a "
        "value and make the rest of it inside the class."
    )
