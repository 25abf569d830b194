"""Files of a run's explanations: one file, or of a large run parts of 1,024 neurons each.

Parts are numbered from 0 and hold the neurons by layer and neuron, so that the part of a neuron
follows from its rank among the run's neurons. Runs of earlier versions have one file, however large
they are; `run.json` lists what a run has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.reading import check_regular, lines
from benchmark.results.digests import check_digest, differs
from benchmark.results.layout import EXPLANATION_PARTS, EXPLANATIONS, RECORD
from benchmark.results.records import RunRecord

NEURONS_IN_PART = 1024
_PART = re.compile(rf"{EXPLANATION_PARTS}/(\d{{5}})\.jsonl", re.ASCII)


def cut(lines: Iterator[bytes], n_neurons: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the files of a new run, relative to its folder, each with its lines.

    Args:
        lines: of all neurons, by layer and neuron; those of a file are to be read before the next.
        n_neurons: how many there are.
    """
    several = n_neurons > NEURONS_IN_PART
    for name in _part_names(_n_parts(n_neurons)) if several else [EXPLANATIONS]:
        yield name, islice(lines, NEURONS_IN_PART)


def listed_names(record: RunRecord) -> list[str]:
    """Return the files, relative to the run's folder, that a record lists, in order.

    Where it lists none the one file is meant, as in records without digests.
    """
    return sorted(filter(_PART.fullmatch, record.files)) or [EXPLANATIONS]


def names_on_disk(folder: Path) -> list[str]:
    """Return what a folder holds of explanations, relative to it, in order."""
    parts = (f"{EXPLANATION_PARTS}/{path.name}" for path in folder.glob(f"{EXPLANATION_PARTS}/*"))
    single = [EXPLANATIONS] if (folder / EXPLANATIONS).exists() else []
    return single + sorted(filter(_PART.fullmatch, parts))


class ExplanationFiles:
    """The files of a finished run's explanations, held against its record when they are read.

    Attributes:
        folder: the run's folder.
        names: the files, relative to it, in order.
    """

    def __init__(self, folder: Path, record: RunRecord, n_neurons: int) -> None:
        """Take the files of a run of `n_neurons`; nothing is read.

        Raises:
            BenchmarkError: the record lists other parts than so many neurons have.
        """
        self.folder = folder
        self._record = record
        self.names = listed_names(record)
        if self.in_parts and (
            EXPLANATIONS in record.files or self.names != _part_names(_n_parts(n_neurons))
        ):
            raise BenchmarkError(
                f"'{folder / RECORD}' is damaged: it lists {len(self.names)} parts of "
                f"explanations, {self.names[0]} to {self.names[-1]}; {n_neurons:,} neurons have "
                f"{_n_parts(n_neurons)}."
            )

    @property
    def in_parts(self) -> bool:
        """Return whether there are parts instead of one file."""
        return self.names != [EXPLANATIONS]

    def exist(self) -> bool:
        """Return whether any of the files is there; a folder of submissions has none."""
        return bool(names_on_disk(self.folder))

    def check(self) -> None:
        """Check the one file as a whole; of parts, that each is there and as long as it was.

        The digest of a part is checked when the part is read: all of them may be gigabytes.

        Raises:
            BenchmarkError: a file is missing, is not the one that the run wrote, or is one too
                many.
        """
        if not self.in_parts:
            check_digest(self.folder, EXPLANATIONS, self._record)
            return
        for name in self.names:
            path = self.folder / name
            try:
                check_regular(path)
                size = path.stat().st_size
            except OSError as error:
                raise BenchmarkError(f"'{path}' cannot be read: {error.strerror}.") from error
            if size != self._record.files[name].bytes:
                raise differs(self.folder, name)
        further = [one for one in names_on_disk(self.folder) if one not in self.names]
        if further:
            raise BenchmarkError(
                f"'{self.folder / further[0]}' is not a file of this run: run.json does not list "
                "it; move it away."
            )

    def name_of(self, rank: int) -> str:
        """Return the file of the neuron of this rank among the run's neurons, from 0."""
        return self.names[rank // NEURONS_IN_PART] if self.in_parts else EXPLANATIONS

    def lines(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield the lines of one file, each after its place as messages name it.

        Raises:
            BenchmarkError: the file cannot be read, or is not the one that the run wrote.
        """
        check_digest(self.folder, name, self._record)
        path = self.folder / name
        for number, line in lines(path):
            yield f"'{path}' line {number}", line


def _n_parts(n_neurons: int) -> int:
    return -(-n_neurons // NEURONS_IN_PART)


def _part_names(n_parts: int) -> list[str]:
    return [f"{EXPLANATION_PARTS}/{part:05d}.jsonl" for part in range(n_parts)]
