"""Overrides of a configuration from Python values: names, folders, hub ids, numbers, objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.config.catalogue import CUSTOM, OF_CLASSES, default_names, find, groups, is_choice
from benchmark.config.literal import literal
from benchmark.config.run_config import config_keys, listed_neurons, unknown_key
from benchmark.config.values import check_words, quote
from benchmark.errors import BenchmarkError
from benchmark.plugins.objects import TARGET, record_object
from benchmark.plugins.trusted import built_in_config

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# Arguments whose key of the configuration is longer.
SHORT = {"layers": "neurons.layers", "per_layer": "neurons.per_layer"}
ALL = "all"


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the overrides that `run` on the command line would be given for these settings.

    Args:
        settings: values by key of the configuration, by group, or by a key of `SHORT`. A value may
            be a dict of what is below its key; that of a group may have the name chosen as `name`.

    Raises:
        BenchmarkError: a key or a name is not known, or a value is not one that a key can have.
    """
    words: list[str] = []
    for key, value in settings.items():
        if key == "options":
            if "explainer" in settings and not isinstance(settings["explainer"], str):
                raise BenchmarkError(
                    "options go with the name of an explainer, not with an object."
                )
            if not isinstance(value, Mapping):
                raise BenchmarkError(f"options={value!r:.80} must be a dict of options by name.")
            words += _flat("explainer", value)
        elif key == "neurons" and not isinstance(value, Mapping):
            words.append(_word("neurons.list", _neurons(value)))
        elif key in SHORT:
            words.append(_word(SHORT[key], None if value == ALL else value))
        elif key in groups():
            words += _group(key, value)
        else:
            _check_key(key)
            words += _flat(key, value) if isinstance(value, Mapping) else [_word(key, value)]
    check_words(words)
    return words


def chosen(group: str, value: Any) -> list[str]:
    """Return the overrides that choose a model or a dataset by name, folder, file or hub id.

    Raises:
        BenchmarkError: it is none of these; the message is that of the command line.
    """
    text = str(value)
    if is_choice(group, text):
        return [f"{group}={text}"]
    path = Path(text).expanduser()
    exists = path.exists() or isinstance(value, Path)
    looks_like_a_path = exists or "/" in text or "\\" in text
    if group == "model" and looks_like_a_path:
        return ["model=local", _word("model.source", text)]
    if group == "dataset" and looks_like_a_path:
        if not exists and HUB_ID.fullmatch(text):
            return ["dataset=hub", _word("dataset.repo", text)]
        return ["dataset=text", _word("dataset.path", text)]
    find(group, text)  # says what is known
    return [f"{group}={text}"]


def _group(group: str, value: Any) -> Iterator[str]:
    """Yield the overrides of a group that is chosen by a name, a dict with a name, or an object."""
    if isinstance(value, Mapping):
        inside = dict(value)
        if "name" in inside:
            yield from _group(group, inside.pop("name"))
        yield from _flat(group, inside)
    elif group == "metrics" and isinstance(value, list | tuple | set):
        yield f"metrics={default_names()['metrics']}"
        yield _word("metrics.metrics", list(value))
    elif group in OF_CLASSES and not _is_name(value):
        config = _object(value, group)
        known = built_in_config(config[TARGET]) if group == "explainer" else None
        if known is not None:  # the same run as by its name
            config = {key: config[key] for key in config if key not in ("name", TARGET)}
        yield f"{group}={CUSTOM if known is None else known['name']}"
        yield from _flat(group, config, "++")
    else:
        yield from [f"metrics={value}"] if group == "metrics" else chosen(group, value)


def _is_name(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | Path)


def _object(value: Any, group: str) -> dict[str, Any]:
    if isinstance(value, type):
        name = value.__name__
        raise BenchmarkError(f"{group} {name} is a class; give an object: {name}(...).")
    return record_object(value)


def _neurons(value: Any) -> list[str]:
    values = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(values, set | frozenset | dict | Iterator):
        values = list(values)
    return [f"{layer}.{neuron}" for layer, neuron in listed_neurons(values)]


def _check_key(key: str) -> None:
    if key.partition(".")[0] not in groups() and key not in {*config_keys()}:
        raise unknown_key(key, [*config_keys(), *groups(), *SHORT])


def _flat(key: str, value: Mapping[str, Any], sign: str = "") -> Iterator[str]:
    for name, entry in value.items():
        if isinstance(entry, Mapping) and entry:
            yield from _flat(f"{key}.{name}", entry, sign)
        else:
            known = name in ("name", "_target_")
            yield _word(f"{'' if known else sign}{key}.{name}", entry)


def _word(key: str, value: Any) -> str:
    return f"{key}={_written(value, key)}"


def _written(value: Any, key: str) -> str:
    """Return a value in the grammar of overrides."""
    if isinstance(value, Path):
        value = str(value)
    if hasattr(value, "tolist"):  # of NumPy or torch
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return quote(literal(value))
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{_written(entry, key)}' for name, entry in value.items())}}}"
    if isinstance(value, Iterable):
        return f"[{','.join(_written(entry, key) for entry in value)}]"
    raise BenchmarkError(
        f"{key.lstrip('+')}={value!r:.80} is of type {type(value).__name__}; give text, "
        "numbers, lists or dicts of these."
    )
