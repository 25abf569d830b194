"""Imports: files of others read one after the other into runs, all of them or none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import check_writable
from benchmark.files.reading import sha256_of
from benchmark.importing.entries import Entry
from benchmark.importing.formats import also_read, entries_of, sources_of, subject_of
from benchmark.importing.imported_run import SENTENCES, ImportedRun
from benchmark.results import ImportedRecord
from benchmark.terminal.progress import progress
from benchmark.token_text import one_line


@dataclass(frozen=True)
class Imported:
    """What came of an import, for one method on one subject.

    Attributes:
        folder: where it is.
        subject: the language model.
        method: what made the explanations.
        neurons: how many units.
        scored: whether `folder` is a run, because something was recorded of how good they are.
        sentences: the explanations as a file that they can be simulated from.
        repeated: further explanations of the same units, which were left out.
        reused: whether the same files had been imported before.
    """

    folder: Path
    subject: str
    method: str
    neurons: int
    scored: bool
    sentences: Path
    repeated: int
    reused: bool


def import_explanations(place: Path, name: str, output: Path, subject: str = "") -> list[Imported]:
    """Read explanations of others into runs, one for each method and subject.

    Args:
        place: a file or a folder.
        name: its format, one of `FORMATS`.
        output: the folder of results.
        subject: the language model, for files that do not name it.

    Raises:
        BenchmarkError: a file is damaged or of another format; then nothing is written.
    """
    sources = sources_of(name, place)
    check_writable(output)
    record = ImportedRecord(format=name, files=len(sources), sha256=_digest(name, sources))
    known = subject_of(name, place)
    runs: dict[tuple[str, str, str], ImportedRun] = {}
    named: set[str] = set()
    try:
        with progress(len(sources), f"{name}: import", "files") as bar:
            for source in sources:
                for entry in entries_of(name, source):
                    named.add(entry.subject)
                    key = (_subject(entry, subject, known, named), entry.site, entry.method)
                    if key not in runs:
                        runs[key] = ImportedRun(output, record, *key)
                    runs[key].take(entry)
                bar.update()
        if not runs:
            raise BenchmarkError(f"'{one_line(place)}' holds no explanation.")
        for run in runs.values():
            run.finish()
        for run in runs.values():
            run.put()
    except BaseException:
        for run in runs.values():
            run.discard()
        raise
    return [_imported(run) for _, run in sorted(runs.items())]


def _digest(name: str, sources: Sequence[Path]) -> str:
    """Return the SHA-256 of all files that are read, with their names."""
    digest = hashlib.sha256()
    with progress(len(sources), f"{name}: check", "files") as bar:
        for source in sources:
            for file in (source, *also_read(name, source)):
                try:
                    found = sha256_of(file)
                except OSError as error:
                    raise BenchmarkError(
                        f"'{one_line(file)}' cannot be read: {error.strerror}."
                    ) from error
                digest.update(
                    f"{file.parent.name}/{file.name} {found}\n".encode("utf-8", "replace")
                )
            bar.update()
    return digest.hexdigest()


def _subject(entry: Entry, given: str, known: str, named: set[str]) -> str:
    """Return the language model that an explanation is about.

    Raises:
        BenchmarkError: nobody says which, or one is given for files that name several.
    """
    if given and len(named) > 1:
        raise BenchmarkError(
            f"the files are about several language models ({', '.join(sorted(named))}); leave "
            "--subject out."
        )
    found = given or entry.subject or known
    if not found:
        raise BenchmarkError(
            f"{entry.where} does not say which language model it is about; add --subject NAME."
        )
    return found


def _imported(run: ImportedRun) -> Imported:
    return Imported(
        run.folder,
        run.subject,
        run.method,
        run.neurons,
        run.scored,
        run.folder / SENTENCES,
        run.repeated,
        run.reused,
    )
