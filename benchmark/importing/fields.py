"""Fields of JSON that others wrote, each checked where it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.results.scores import LARGEST_INDEX
from benchmark.token_text import one_line


class Fields:
    """An object of JSON; what is missing or wrong in it is named with its file.

    Keys that nothing asks for are ignored.
    """

    def __init__(self, value: object, where: str) -> None:
        """Take a value that must be an object.

        Raises:
            BenchmarkError: it is none.
        """
        if not isinstance(value, Mapping):
            raise BenchmarkError(f"{where} is {_kind(value)}, not an object with named fields.")
        self._data: Mapping[str, Any] = value
        self.where = where

    def __contains__(self, name: str) -> bool:
        """Return whether a field is there, and not null."""
        return self._data.get(name) is not None

    def value(self, name: str) -> Any:
        """Return a field.

        Raises:
            BenchmarkError: it is missing.
        """
        if name not in self._data:
            known = ", ".join(f"'{one_line(key)[:30]}'" for key in list(self._data)[:8])
            raise BenchmarkError(f"{self.where} has no '{name}'; it has {known or 'no field'}.")
        return self._data[name]

    def fields(self, name: str) -> Fields:
        """Return a field that is an object."""
        return Fields(self.value(name), f"{self.where}: {name}")

    def items(self, name: str) -> list[Any]:
        """Return a field that is a list.

        Raises:
            BenchmarkError: it is missing or no list.
        """
        value = self.value(name)
        if not isinstance(value, list):
            raise self._wrong(name, value, "a list")
        return value

    def objects(self, name: str) -> list[Fields]:
        """Return a field that is a list of objects."""
        return [
            Fields(one, f"{self.where}: {name}[{at}]") for at, one in enumerate(self.items(name))
        ]

    def named(self, name: str) -> dict[str, Any]:
        """Return a field that is an object, as a dict."""
        value = self.value(name)
        if not isinstance(value, Mapping):
            raise self._wrong(name, value, "an object")
        return dict(value)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a field that is text; `default` where it is missing or null.

        Raises:
            BenchmarkError: it is missing or no text.
        """
        if default is not None and name not in self:
            return default
        value = self.value(name)
        if not isinstance(value, str):
            raise self._wrong(name, value, "text")
        return value

    def index(self, name: str) -> int:
        """Return a field that is the number of a layer or a neuron, also as text.

        Raises:
            BenchmarkError: it is missing or none.
        """
        value = self.value(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 11:
            value = int(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 0 <= value <= LARGEST_INDEX:
            raise self._wrong(name, value, "a whole number of at least 0")
        return int(value)

    def number(self, name: str) -> float:
        """Return a field that is a number; NaN where it is missing, null or not finite.

        Raises:
            BenchmarkError: it is no number.
        """
        return number_of(self._data.get(name), f"{self.where}: {name}")

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a field that is a list of numbers; NaN where one is null or not finite."""
        where = f"{self.where}: {name}"
        return tuple(number_of(one, where) for one in self.items(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field that is a list of text.

        Raises:
            BenchmarkError: it is missing, or an entry is no text.
        """
        value = self.items(name)
        for one in value:
            if not isinstance(one, str):
                raise self._wrong(name, one, "a list of text")
        return tuple(value)

    def _wrong(self, name: str, value: object, due: str) -> BenchmarkError:
        return BenchmarkError(f"{self.where}: {name} is {_kind(value)}, not {due}.")


def number_of(value: object, where: str) -> float:
    """Return a number that a float32 can hold; NaN for null and for what is not finite.

    Raises:
        BenchmarkError: it is no number.
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BenchmarkError(f"{where} is {_kind(value)}, not a number.")
    try:
        found = float(value)
    except OverflowError:
        return math.nan
    return found if math.isfinite(found) and abs(found) < 3e38 else math.nan


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"the text '{one_line(value)[:40]}'"
    if isinstance(value, bool | int | float):
        return f"{value!r:.40}"
    return "a list" if isinstance(value, list) else "an object"
