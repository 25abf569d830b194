"""Formats of others' explanations, and how each is recognised and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.importing import delphi, neuronpedia, openai, transluce
from benchmark.importing.entries import Entry
from benchmark.importing.files import find_files, read_values

DELPHI = "delphi"


@dataclass(frozen=True)
class Format:
    """How a format is read.

    Attributes:
        entries: yields what an object says.
        field: a field that only its objects have.
        endings: of its files.
        subject: the language model, where its files never name it and there is only one.
        kind: what an object of it is, for messages.
    """

    entries: Callable[[Any, str], Iterator[Entry]]
    field: str
    endings: tuple[str, ...]
    subject: str
    kind: str


OBJECTS: Mapping[str, Format] = {
    "openai": Format(
        openai.entries,
        "scored_explanations",
        (".json", ".jsonl"),
        "gpt2-xl",
        "a record of simulations",
    ),
    "neuronpedia": Format(
        neuronpedia.entries,
        "modelId",
        (".jsonl", ".jsonl.gz", ".json"),
        "",
        "an explanation or a feature with explanations",
    ),
    "transluce": Format(
        transluce.entries, "explanations", (".json", ".jsonl"), "", "a neuron with explanations"
    ),
}
"""The formats of files whose objects are about one unit each."""

FORMATS = (*OBJECTS, DELPHI)


def sources_of(name: str, place: Path) -> list[Path]:
    """Return the files that an import reads, in order.

    Raises:
        BenchmarkError: there are none.
    """
    if name != DELPHI:
        return find_files(place, OBJECTS[name].endings)
    if not place.exists():
        raise BenchmarkError(f"'{place}' does not exist.")
    return delphi.files_of(place)


def also_read(name: str, source: Path) -> list[Path]:
    """Return the files that are read together with one."""
    return delphi.score_files(source) if name == DELPHI else []


def entries_of(name: str, source: Path) -> Iterator[Entry]:
    """Yield what a file says about units.

    Raises:
        BenchmarkError: it is damaged, or of another format.
    """
    if name == DELPHI:
        yield delphi.entry_of(source)
        return
    known = OBJECTS[name]
    for where, value in read_values(source):
        _check(name, value, where)
        yield from known.entries(value, where)


def subject_of(name: str, place: Path) -> str:
    """Return the language model that a format or a folder is about; empty where neither says."""
    return delphi.subject_of(place) if name == DELPHI else OBJECTS[name].subject


def _check(name: str, value: Any, where: str) -> None:
    """Check that an object is of a format.

    Raises:
        BenchmarkError: it is of another one.
    """
    if not isinstance(value, dict) or OBJECTS[name].field in value:
        return
    others = [other for other, known in OBJECTS.items() if known.field in value]
    hint = f" It looks like one of --format {others[0]}." if others else ""
    if "most_positive_activation_records" in value or {"tokens", "values"} <= set(value):
        hint = " It holds activations alone, and explanations are due."
    raise BenchmarkError(
        f"{where} is not {OBJECTS[name].kind} of --format {name}: it has no "
        f"'{OBJECTS[name].field}'.{hint}"
    )
