"""Reading finished runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import TEMPORARY_SUFFIX
from benchmark.files.explanation_size import SIZE_MEASURE
from benchmark.files.reading import LARGEST_TABLE, lines, parse_json_line, read_bytes, read_json
from benchmark.results.digests import check_digest, differs
from benchmark.results.layout import EXPLANATIONS, RECORD, RESCORED, SCORES, UNFINISHED
from benchmark.results.lines import SavedExplanation, parse_line
from benchmark.results.records import SIZE_COLUMN, RunRecord
from benchmark.results.scores import Scores
from benchmark.results.submission import why_unverified


@dataclass(frozen=True)
class Run:
    """A finished run: its record and scores; explanations are read when they are asked for.

    Attributes:
        folder: where its files are.
        record: what `run.json` holds.
        scores: one row per neuron.
        unverified: why nobody has computed its numbers again, where it is somebody's submission;
            empty for one that was verified and for the reader's own.
    """

    folder: Path
    record: RunRecord
    scores: Scores
    unverified: str = ""

    def explanations(self) -> Iterator[SavedExplanation]:
        """Yield every neuron's explanation or failure by layer and neuron, one at a time.

        Raises:
            BenchmarkError: the file is missing or a line of it is damaged.
        """
        seen: set[tuple[int, int]] = set()
        for number, line in self._lines():
            saved = self._parsed(number, line)
            if (saved.layer, saved.neuron) in seen:
                raise BenchmarkError(
                    f"'{self.folder / EXPLANATIONS}' line {number} is damaged: neuron {saved.name} "
                    "is there twice."
                )
            seen.add((saved.layer, saved.neuron))
            yield saved

    def explanation(self, layer: int, neuron: int) -> SavedExplanation:
        """Return the explanation or failure of one neuron.

        Raises:
            BenchmarkError: the neuron is not in the run, or as `explanations`.
        """
        known = self.scores.neurons()
        if (layer, neuron) not in known:
            raise self._unknown_neuron(layer, neuron, known)
        start = f'{{"layer":{layer},"neuron":{neuron},'.encode()
        for number, line in self._lines():
            if line.startswith(start):
                return self._parsed(number, line)
        for saved in self.explanations():  # written by another hand, with other spaces
            if (saved.layer, saved.neuron) == (layer, neuron):
                return saved
        path = self.folder / EXPLANATIONS
        raise BenchmarkError(f"'{path}' is damaged: layer {layer}, neuron {neuron} has no line.")

    def _parsed(self, number: int, line: bytes) -> SavedExplanation:
        where = f"'{self.folder / EXPLANATIONS}' line {number}"
        data = parse_json_line(line, where)
        try:
            return parse_line(data)
        except ValueError as error:
            raise BenchmarkError(f"{where} is damaged: {error}.") from error

    def _unknown_neuron(
        self, layer: int, neuron: int, known: list[tuple[int, int]]
    ) -> BenchmarkError:
        in_layer = [other for other_layer, other in known if other_layer == layer]
        neurons = ", ".join(map(str, in_layer[:20])) + (", ..." if len(in_layer) > 20 else "")
        layers = ", ".join(map(str, sorted({other_layer for other_layer, _ in known})))
        there = f"neurons {neurons}" if in_layer else f"layers {layers}"
        return BenchmarkError(
            f"the run in '{self.folder}' has no layer {layer}, neuron {neuron}; it has {there}."
        )

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        path = self.folder / EXPLANATIONS
        check_digest(path, self.record)
        return lines(path)


def load_run(path: Path | str) -> Run:
    """Read a finished run, whose files must be those that it wrote.

    The explanations may be missing, as they are in a folder of submissions.

    Args:
        path: the run's folder, or the `run.json` in it.

    Raises:
        BenchmarkError: there is no finished run, it was written by a later version, or a file of
            it is missing, damaged or another than the run wrote.
    """
    path = Path(path)
    folder = path.parent if path.name == RECORD and not path.is_dir() else path
    record = read_record_of(folder)
    scores = _read_scores(folder, record)
    if (folder / EXPLANATIONS).exists():
        check_digest(folder / EXPLANATIONS, record)
    return Run(folder, record, scores, why_unverified(folder))


def find_runs(folders: Iterable[Path | str]) -> list[Path]:
    """Return the folders of all finished runs at or below some folders, sorted, each once.

    Raises:
        BenchmarkError: one of the folders does not exist.

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> run = benchmark.run("token_lookup", model="planted", neurons=["0.1", "0.8"], **quick)
        >>> run.folder in benchmark.find_runs(["results"])
        True
    """
    found: set[Path] = set()
    for folder in map(Path, folders):
        if not folder.exists():
            raise BenchmarkError(f"the folder '{folder}' does not exist.")
        if folder.name == RECORD and not folder.is_dir():
            found.add(folder.parent)
        # A walk also meets links to nowhere and pipes, which a pattern passes over.
        for place, folders_in_it, files in os.walk(folder):
            if RECORD in files or RECORD in folders_in_it:
                found.update(path.parent for path in [Path(place, RECORD)] if _is_record(path))
    return sorted(found)


def _is_record(path: Path) -> bool:
    """Return whether a path is a record, not a copy that a killed `score` or `submit` left.

    What is called so and is no file, such as a named pipe, is found too: reading it says what it
    is, where passing over it would say nothing.
    """
    folder = path.parent.name
    return folder != RESCORED and not folder.endswith(TEMPORARY_SUFFIX)


def read_record_of(folder: Path) -> RunRecord:
    """Read the `run.json` in a folder.

    Raises:
        BenchmarkError: there is none, it is damaged, or it was written by a later version.
    """
    path = folder / RECORD
    try:
        data = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise _no_run(folder) from None
    return RunRecord.from_dict(data, where=str(path))


def _read_scores(folder: Path, record: RunRecord) -> Scores:
    path = folder / SCORES
    try:
        data = read_bytes(path, LARGEST_TABLE)
    except OSError as error:
        raise BenchmarkError(f"'{path}' cannot be read: {error.strerror}.") from error
    written = record.files.get(SCORES)
    if written is not None and hashlib.sha256(data).hexdigest() != written.sha256:
        raise differs(path)
    try:
        scores = Scores.from_parquet(data, record.columns)
        if not len(scores):
            raise ValueError("it has no rows")
    except ValueError as error:
        raise BenchmarkError(f"'{path}' is damaged: {error}.") from error
    return scores if record.size_measure == SIZE_MEASURE else scores.without(SIZE_COLUMN)


def _no_run(folder: Path) -> BenchmarkError:
    if not folder.exists():
        return BenchmarkError(f"there is no run in '{folder}': the folder does not exist.")
    if (folder / UNFINISHED).is_dir():
        return BenchmarkError(
            f"the run in '{folder}' is unfinished; repeat the command that began it to continue."
        )
    below = sorted(found.parent for found in folder.glob(f"**/{RECORD}")) if folder.is_dir() else []
    hint = f" There are {len(below)} runs below it, such as '{below[0]}'." if below else ""
    return BenchmarkError(f"there is no run in '{folder}': it has no {RECORD}.{hint}")
