"""Runs that a word on the command line means: a folder, an id or its first digits, a name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.results import Run, find_runs, load_run
from benchmark.results.layout import RECORD
from benchmark.token_text import one_line

# Where runs are looked up by id or name: what `results_dir` is unless it is set.
RESULTS = Path("results")
_ID = re.compile("[0-9a-f]{4,64}")

Neuron = tuple[int, int]


def parse_neuron(word: str) -> Neuron:
    """Read `3.400` as layer 3, neuron 400.

    Raises:
        BenchmarkError: the word is something else.
    """
    parts = word.split(".")
    if len(parts) != 2 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise BenchmarkError(
            f"'{word:.60}' is no neuron; write <layer>.<neuron>, for example 3.400."
        )
    return int(parts[0]), int(parts[1])


def find_folders(word: str) -> list[Path]:
    """Return the folders of all runs that a word means.

    It is the folder of a run, its `run.json`, a folder above runs, or, where there is no such
    folder, a part of the path of runs below `results`: an id or its first digits, an explainer,
    `solu-tiny/stdlib/n2g`. An id may also follow another folder: `other/3f2a`.

    Raises:
        BenchmarkError: there is no finished run.
    """
    folder = Path(word)
    if (folder / RECORD).exists():
        return [folder]
    if folder.exists():
        found = find_runs([folder]) if folder.is_dir() or folder.name == RECORD else []
        # Reading what is no run says what is wrong with it.
        return found or [folder]
    found = _named(word)
    if not found:
        raise BenchmarkError(f"there is no run in '{folder}': the folder does not exist.")
    return found


def find_run(word: str) -> Run:
    """Return the one run that a word means; where there are several, list them.

    Raises:
        BenchmarkError: there is none, there are several, or it cannot be read.
    """
    return load_run(find_folder(word))


def find_folder(word: str) -> Path:
    """Return the folder of the one run that a word means, unread; several are listed.

    Raises:
        BenchmarkError: there are several, or the only one is named and cannot be read.
    """
    folders = find_folders(word)
    if len(folders) == 1:
        return folders[0]
    from benchmark.cli.finished import print_candidates

    print_candidates(load_runs(folders))
    raise BenchmarkError(f"'{word}' means {len(folders)} runs, listed above; name one of them.")


def find_candidates(word: str, neuron: Neuron | None = None) -> list[Run]:
    """Return all runs that a word means, and of several those that have a neuron.

    Raises:
        BenchmarkError: there is none, none can be read, or none has the neuron.
    """
    folders = find_folders(word)
    if len(folders) == 1:
        return [load_run(folders[0])]
    runs = load_runs(folders)
    having = [run for run in runs if neuron is None or neuron in set(run.scores.neurons())]
    if neuron is not None and not having:
        layer, other = runs[0].scores.neurons()[0]
        raise BenchmarkError(
            f"none of the {len(runs)} runs in '{word}' has neuron {neuron[0]}.{neuron[1]}; "
            f"'{runs[0].folder}' has {layer}.{other}, for example."
        )
    return having


def find_all(words: Iterable[str]) -> list[Run]:
    """Return all runs that some words mean, each once; of several, unreadable ones are left out.

    Raises:
        BenchmarkError: there is none, or the only one that a word names cannot be read.
    """
    named: list[Path] = []
    several: list[Path] = []
    for word in words:
        folders = find_folders(word)
        (named if len(folders) == 1 else several).extend(folders)
    runs = {folder: load_run(folder) for folder in dict.fromkeys(named)}
    others = [folder for folder in dict.fromkeys(several) if folder not in runs]
    return [*runs.values(), *(load_runs(others, empty=bool(runs)) if others else [])]


def find_places(words: Iterable[str]) -> list[str]:
    """Return words for what reads folders of runs: ids and names become folders."""
    places: list[str] = []
    for word in words:
        folders = [] if Path(word).exists() else _named(word)
        places += [str(folder) for folder in folders] or [word]
    return places


def load_runs(folders: Sequence[Path], *, empty: bool = False) -> list[Run]:
    """Read the runs in some folders; one that cannot be read is named and stops no other.

    Raises:
        BenchmarkError: none can be read, unless `empty` allows that.
    """
    runs: list[Run] = []
    for folder in folders:
        try:
            runs.append(load_run(folder))
        except BenchmarkError as error:
            sys.stderr.write(f"left out: {one_line(error)}\n")
    if not runs and not empty:
        raise BenchmarkError("none of the runs there can be read.")
    return runs


def _named(word: str) -> list[Path]:
    """Return the runs whose path below a folder has the parts of a word, the last perhaps cut."""
    parts = [part for part in Path(word).parts if part != RECORD]
    if not parts:
        return []
    above = Path(*parts[:-1]) if len(parts) > 1 else RESULTS
    if above.is_dir() and above != Path(above.anchor) and _ID.fullmatch(parts[-1]):
        found = [one for one in find_runs([above]) if one.name.startswith(parts[-1])]
        if found:
            return found
    if not RESULTS.is_dir() or Path(word).is_absolute() or ".." in parts:
        return []
    return [one for one in find_runs([RESULTS]) if _is_within(parts, one.relative_to(RESULTS))]


def _is_within(parts: Sequence[str], path: Path) -> bool:
    """Return whether the parts follow one another in a path, the last perhaps an id cut short."""
    *before, last = parts
    for at in range(len(path.parts) - len(before)):
        here = path.parts[at + len(before)]
        is_id = at + len(before) == len(path.parts) - 1
        same = here == last or (is_id and bool(_ID.fullmatch(last)) and here.startswith(last))
        if same and list(path.parts[at : at + len(before)]) == before:
            return True
    return False
