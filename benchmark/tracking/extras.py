"""Tables and pictures that are shown with a run, made by somebody who knows how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.results import Run


@dataclass(frozen=True)
class ExtraTable:
    """A table: names of columns, and rows of text, numbers, truth values and None."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Extras:
    """What is shown besides the run's own numbers.

    Attributes:
        tables: by name.
        pictures: PNG files by name.
    """

    tables: Mapping[str, ExtraTable] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)


MakeExtras = Callable[[Run], Extras]
