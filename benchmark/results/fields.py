"""Reading typed records back from JSON, with a message that names the field that is wrong."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

LARGEST_NUMBER = 2**63 - 1

_JSON_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}


def read_record(kind: type[Record], data: Any, where: str) -> Record:
    """Return a dataclass from the JSON object that it was saved as.

    Fields that the object lacks take their default; keys that the dataclass does not know are
    passed over, so that a record with additions can still be read.

    Args:
        kind: the dataclass.
        data: what JSON held.
        where: how the message names the object, for example `run.json`.

    Raises:
        BenchmarkError: a field without default is missing, or a value has the wrong type.
    """
    if not isinstance(data, dict):
        raise _wrong(where, "an object", data)
    hints, missing = typing.get_type_hints(kind), dataclasses.MISSING
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in data:
            value = data[field.name]
            values[field.name] = _read(hints[field.name], value, f"{where}: {field.name}")
        elif field.default is missing and field.default_factory is missing:
            raise BenchmarkError(f"{where}: the field '{field.name}' is missing.")
    return kind(**values)


def _read(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _read_union(arguments, value, where)
    if dataclasses.is_dataclass(hint):
        return read_record(typing.cast("type[Any]", hint), value, where)
    if origin is list:
        if not isinstance(value, list):
            raise _wrong(where, "a list", value)
        if arguments == (int,) and _are_numbers(value):
            return list(value)
        return [_read(arguments[0], entry, f"{where}[{row}]") for row, entry in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        return {
            _read_key(arguments[0], key, where): _read(arguments[1], entry, f"{where}.{key:.60}")
            for key, entry in value.items()
        }
    return _read_scalar(hint, value, where)


def _are_numbers(value: list[Any]) -> bool:
    """Return whether all entries can be read as whole numbers: tens of thousands of neurons are."""
    return {type(entry) for entry in value} == {int} and max(map(abs, value)) <= LARGEST_NUMBER


def _read_union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    others = [argument for argument in arguments if argument is not type(None)]
    for argument in others:
        if dataclasses.is_dataclass(argument) == isinstance(value, dict) or len(others) == 1:
            return _read(argument, value, where)
    raise _wrong(where, "another type", value)


def _read_key(hint: Any, key: str, where: str) -> Any:
    if hint is not int:
        return key
    if not re.fullmatch("[0-9]{1,18}", key):
        raise _wrong(f"{where}: the key '{key:.60}'", "a whole number", key)
    return int(key)


def _read_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is int and (isinstance(value, bool) or not isinstance(value, int)):
        raise _wrong(where, "a whole number", value)
    if hint is int and abs(value) > LARGEST_NUMBER:
        raise _wrong(where, "a number of at most 64 bits", value)
    if not isinstance(value, hint):
        raise _wrong(where, _JSON_NAMES.get(hint, "a number"), value)
    return value


def _wrong(where: str, expected: str, value: Any) -> BenchmarkError:
    return BenchmarkError(f"{where}: expected {expected}, found {value!r:.60}.")
