"""Writing a run: block by block, so that a killed run continues where it stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from benchmark.column import Column
from benchmark.errors import BenchmarkError
from benchmark.files.atomic import (
    remove_temporary_files,
    replacing,
    storage_errors,
    sync_folder,
    write_bytes,
    write_text,
)
from benchmark.files.reading import parse_json_line
from benchmark.results.block_files import BlockFiles
from benchmark.results.blocks import (
    Key,
    StoredBlock,
    block_rows,
    explanation_lines,
    load_block,
)
from benchmark.results.encoding import compact, plain
from benchmark.results.explanation_files import cut
from benchmark.results.journal import JOURNALS
from benchmark.results.layout import (
    DISCARDED,
    EXPLANATION_PARTS,
    EXPLANATIONS,
    IDENTITY,
    RECORD,
    SCORES,
    UNFINISHED,
    read_identity,
)
from benchmark.results.lines import SavedExplanation, parse_line
from benchmark.results.records import FileRecord, RunRecord
from benchmark.results.scores import Scores


class RunWriter:
    """The folder of a run that is being written, held by this process alone.

    Use it as a context manager: leaving it releases the folder, and what is not finished then is
    there to be continued.
    """

    def __init__(
        self, folder: Path, identity: str, lock: FileLock, columns: Sequence[Column] = ()
    ) -> None:
        self.folder = folder
        self.columns = columns
        self._unfinished = folder / UNFINISHED
        self.identity = identity
        self.files = BlockFiles(folder, identity)
        self._lock = lock
        self._blocks: dict[int, StoredBlock] = {}
        self._neurons: set[Key] = set()

    @classmethod
    def open(
        cls, folder: Path | str, identity: Mapping[str, Any], columns: Sequence[Column] = ()
    ) -> RunWriter:
        """Begin the run in `folder`, or continue the one that was begun there.

        Blocks that are not whole are discarded.

        Args:
            folder: the run's folder; made if it does not exist.
            identity: everything that determines the run, as JSON values: two runs with equal
                identity give equal results.
            columns: what scorers declare that are none of the benchmark's own.

        Raises:
            BenchmarkError: the folder holds a finished run, one with another identity or files
                that are not of an unfinished run; another process is writing to it; or it cannot
                be written.
        """
        folder = Path(folder)
        wanted = plain(identity, "identity")
        with storage_errors(folder):
            _refuse_finished(folder)
            if not (folder / UNFINISHED).exists():
                _refuse_foreign(folder)
            (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
            lock = _acquire(folder)
            try:
                _refuse_finished(folder)
                _claim(folder, wanted)
                writer = cls(folder, _digest(wanted), lock, columns)
                writer._load_blocks()
            except BaseException:
                lock.release()
                raise
        return writer

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder; an unfinished run stays to be continued."""
        self._lock.release()

    def completed_blocks(self) -> set[int]:
        """Return the numbers of the blocks that are safely on the disk."""
        return set(self._blocks)

    def scores(self, layer: int | None = None) -> Scores:
        """Return the rows of all blocks so far, also those of earlier processes.

        Args:
            layer: the rows of this layer alone; nothing of other layers is read.
        """
        with storage_errors(self.folder):
            return Scores.from_rows(block_rows(self._blocks.values(), layer), self.columns)

    def explanations(self) -> Iterator[SavedExplanation]:
        """Yield what is saved of every neuron so far, by layer and neuron, one at a time."""
        with storage_errors(self.folder):
            for line in explanation_lines(list(self._blocks.values())):
                yield parse_line(parse_json_line(line, f"a block of '{self.folder}'"))

    def write_block(
        self,
        block: int,
        rows: Sequence[Mapping[str, Any]],
        explanations: Sequence[Mapping[str, Any]],
    ) -> None:
        """Save a block of neurons; when this returns it is on the disk as a whole.

        Args:
            block: its number in the run, the same each time the run is continued.
            rows: one per neuron: `layer`, `neuron`, `status` (`ok` or `failed`), `error` if it
                failed, and the columns of the scores.
            explanations: one per neuron: `layer`, `neuron`, `status`, and `explanation` (what
                `to_dict` gave) or `error`; see `explanation_line`.

        Raises:
            BenchmarkError: the folder cannot be written, or an explanation is not JSON.
            ValueError: rows and explanations do not match, or repeat what is already saved.
        """
        if block in self._blocks:
            raise ValueError(f"block {block} is already saved in '{self.folder}'")
        twice = self._neurons.intersection((row.get("layer"), row.get("neuron")) for row in rows)
        if twice:
            raise ValueError(f"(layer, neuron) {min(twice)} is already saved in another block")
        self._take(self.files.save(block, rows, explanations))

    def take(self, block: int) -> None:
        """Take in a block that another process, or a shard of this one, has saved.

        Raises:
            BenchmarkError: it is not there.
        """
        stored = self.files.load(block)
        if stored is None:
            raise BenchmarkError(
                f"block {block} of the run in '{self.folder}' cannot be read back after it was "
                "written; check the disk, and repeat the same command."
            )
        self._take(stored)

    def _take(self, stored: StoredBlock) -> None:
        self._blocks[stored.number] = stored
        self._neurons.update(stored.offsets)

    def discard(self) -> Path:
        """Forget every block, so that the run begins again the next time.

        Returns:
            The file that keeps what was saved of each neuron, to be looked at.

        Raises:
            BenchmarkError: the folder cannot be written.
        """
        path = self._unfinished / DISCARDED
        with storage_errors(self.folder):
            with replacing(path) as file:
                for line in explanation_lines(list(self._blocks.values())):
                    file.write(line)
            for part in _parts(self._unfinished):
                part.unlink()
        self._blocks.clear()
        self._neurons.clear()
        return path

    def finish(self, record: RunRecord) -> RunRecord:
        """Write the run's files, `run.json` last, and remove what was kept to continue it.

        Returns:
            The record as written: with the sizes and digests of the other files.

        Raises:
            BenchmarkError: the folder cannot be written; the run can still be continued.
            ValueError: the record lists neurons that have no row, or other ones.
        """
        scores = self.scores()
        _check_neurons(record, scores)
        with storage_errors(self.folder):
            table = scores.to_parquet()
            write_bytes(self.folder / SCORES, table)
            files = {
                SCORES: FileRecord(bytes=len(table), sha256=hashlib.sha256(table).hexdigest()),
                **self._write_explanations(),
            }
            record = dataclasses.replace(record, files=files)
            text = json.dumps(record.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)
            write_text(self.folder / RECORD, f"{text}\n")
        self._lock.release()
        shutil.rmtree(self._unfinished, ignore_errors=True)
        return record

    def _write_explanations(self) -> dict[str, FileRecord]:
        """Write the one file or all parts, a line at a time; returns what each holds, by name."""
        lines = explanation_lines(list(self._blocks.values()))
        found = {}
        for name, of_file in cut(lines, len(self._neurons)):
            (self.folder / name).parent.mkdir(exist_ok=True)
            digest, size = hashlib.sha256(), 0
            with replacing(self.folder / name) as file:
                for line in of_file:
                    file.write(line)
                    digest.update(line)
                    size += len(line)
            found[name] = FileRecord(bytes=size, sha256=digest.hexdigest())
        return found

    def _load_blocks(self) -> None:
        for path in sorted(self._unfinished.glob("block-*.jsonl")):
            block = load_block(path, self.identity)
            if block is None:
                path.unlink()
            else:
                self._take(block)


def remove_unfinished(folder: Path) -> None:
    """Remove from a finished run what a process that was killed at its very end left there.

    Nothing is removed while another process holds it, or where it cannot be.
    """
    if not (folder / UNFINISHED).is_dir() or not (folder / RECORD).is_file():
        return
    with contextlib.suppress(BenchmarkError, OSError):
        lock = _acquire(folder)
        lock.release()
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)


def _refuse_finished(folder: Path) -> None:
    if (folder / RECORD).exists():
        raise BenchmarkError(
            f"the run in '{folder}' is finished; read it with `python -m benchmark show {folder}`, "
            "or remove the folder to run again."
        )


def _refuse_foreign(folder: Path) -> None:
    for name in (SCORES, EXPLANATIONS, EXPLANATION_PARTS):
        if (folder / name).exists():
            raise BenchmarkError(
                f"'{folder}' holds {name} but neither a finished nor an unfinished run; "
                "nothing there is overwritten: move it away or choose another folder."
            )


def _acquire(folder: Path) -> FileLock:
    lock = FileLock(folder / UNFINISHED / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BenchmarkError(
            f"another process is writing the run in '{folder}'; wait until it ends, or stop it and "
            "repeat the command."
        ) from None
    return lock


def _claim(folder: Path, identity: dict[str, Any]) -> None:
    """Check the identity of the run in a folder that we hold, or write it if there is none."""
    remove_temporary_files(folder)
    remove_temporary_files(folder / EXPLANATION_PARTS)
    remove_temporary_files(folder / UNFINISHED)
    begun = read_identity(folder)
    if begun is None:
        for path in _parts(folder / UNFINISHED):
            path.unlink()
        write_text(folder / UNFINISHED / IDENTITY, f"{compact(identity)}\n")
        sync_folder(folder)
    elif begun != identity:
        names = sorted({*begun, *identity})
        different = [name for name in names if begun.get(name) != identity.get(name)]
        raise BenchmarkError(
            f"'{folder}' holds an unfinished run with other settings (different: "
            f"{', '.join(different)}); remove the folder or choose another one."
        )


def _parts(unfinished: Path) -> list[Path]:
    """Return what is saved of blocks, complete ones and those under construction."""
    return [*unfinished.glob("block-*.jsonl"), *unfinished.glob(JOURNALS)]


def _digest(identity: dict[str, Any]) -> str:
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_neurons(record: RunRecord, scores: Scores) -> None:
    asked = {(layer, one) for layer, some in record.neurons.per_layer.items() for one in some}
    present: set[Key] = set(scores.neurons())
    for keys, problem in ((asked - present, "no row"), (present - asked, "not been asked for")):
        if keys:
            raise ValueError(
                f"{len(keys)} neurons have {problem}, first (layer, neuron) {min(keys)}"
            )
