"""Reading finished runs."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import TEMPORARY_SUFFIX
from benchmark.files.explanation_size import SIZE_MEASURE
from benchmark.files.reading import LARGEST_TABLE, parse_json_line, read_bytes, read_json
from benchmark.results.blocks import Key
from benchmark.results.digests import differs
from benchmark.results.explanation_files import ExplanationFiles
from benchmark.results.layout import RECORD, RESCORED, SCORES, UNFINISHED
from benchmark.results.lines import SavedExplanation, parse_line
from benchmark.results.records import SIZE_COLUMN, RunRecord
from benchmark.results.scores import Scores
from benchmark.results.submission import why_unverified

# How a line of ours begins; one written by another hand may have other spaces.
_START = re.compile(rb'\{"layer":(\d{1,10}),"neuron":(\d{1,10}),')


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

    def explanations(self, only: Collection[Key] | None = None) -> Iterator[SavedExplanation]:
        """Yield every neuron's explanation or failure by layer and neuron, one at a time.

        Args:
            only: (layer, neuron) of those to yield; all by default. Files without any of them are
                not read.

        Raises:
            BenchmarkError: a file is missing or a line of it is damaged.
        """
        return self._saved(only)

    def explanation_lines(self) -> Iterator[tuple[str, bytes]]:
        """Yield every line of explanations, each after its place as messages name it.

        Raises:
            BenchmarkError: a file is missing or is not the one that the run wrote.
        """
        for name in self.explanation_files.names:
            yield from self.explanation_files.lines(name)

    def explanation(self, layer: int, neuron: int) -> SavedExplanation:
        """Return the explanation or failure of one neuron, from its own file alone.

        Raises:
            BenchmarkError: the neuron is not in the run, or as `explanations`.
        """
        known = self.scores.neurons()
        if (layer, neuron) not in known:
            raise self._unknown_neuron(layer, neuron, known)
        for saved in self._saved({(layer, neuron)}):
            return saved
        path = self.explanation_file(layer, neuron)
        raise BenchmarkError(f"'{path}' is damaged: layer {layer}, neuron {neuron} has no line.")

    def explanation_file(self, layer: int, neuron: int) -> Path:
        """Return the file that holds the explanation of a neuron of the run."""
        rank = self.scores.neurons().index((layer, neuron))
        return self.folder / self.explanation_files.name_of(rank)

    @cached_property
    def explanation_files(self) -> ExplanationFiles:
        """Return the files of the explanations.

        Raises:
            BenchmarkError: `run.json` lists others than the run can have.
        """
        return ExplanationFiles(self.folder, self.record, len(self.scores))

    def _saved(self, only: Collection[Key] | None) -> Iterator[SavedExplanation]:
        seen: set[Key] = set()
        for name, keys in self._keys_by_file(only).items():
            for where, line in self.explanation_files.lines(name):
                start = _START.match(line)
                if start and only is not None and (int(start[1]), int(start[2])) not in keys:
                    continue
                saved = _parsed(where, line)
                key = (saved.layer, saved.neuron)
                if key in seen:
                    raise BenchmarkError(f"{where} is damaged: neuron {saved.name} is there twice.")
                seen.add(key)
                if key in keys or (only is None and not self.explanation_files.in_parts):
                    yield saved
                elif only is None:
                    raise BenchmarkError(
                        f"{where} is damaged: neuron {saved.name} is none of this part's."
                    )

    def _keys_by_file(self, only: Collection[Key] | None) -> dict[str, set[Key]]:
        """Return the neurons, or those of `only`, of each file that holds some, in order."""
        found: dict[str, set[Key]] = {}
        wanted = None if only is None else set(only)
        for rank, key in enumerate(self.scores.neurons()):
            if wanted is None or key in wanted:
                found.setdefault(self.explanation_files.name_of(rank), set()).add(key)
        return found

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


def _parsed(where: str, line: bytes) -> SavedExplanation:
    data = parse_json_line(line, where)
    try:
        return parse_line(data)
    except ValueError as error:
        raise BenchmarkError(f"{where} is damaged: {error}.") from error


def load_run(path: Path | str) -> Run:
    """Read a finished run, whose files must be those that it wrote.

    The explanations may be missing, as they are in a folder of submissions. Those of a large run,
    which are in parts, are held against their digests when they are read.

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
    run = Run(folder, record, scores, why_unverified(folder))
    if run.explanation_files.exist():
        run.explanation_files.check()
    return run


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
        raise differs(folder, SCORES)
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
