"""Files of an unfinished run's blocks: what a worker writes of a run that another process holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.files.atomic import storage_errors
from benchmark.results.blocks import StoredBlock, block_path, load_block, store_block
from benchmark.results.journal import Journal, journal_path
from benchmark.results.layout import UNFINISHED
from benchmark.results.lines import checked_block


class BlockFiles:
    """The files of an unfinished run's blocks; several processes may each write some.

    Args:
        folder: of the run.
        identity: the digest of what determines the run.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder = folder
        self._unfinished = folder / UNFINISHED
        self._identity = identity

    def load(self, block: int) -> StoredBlock | None:
        """Return a block that is on the disk, None if it is not there or damaged."""
        path = block_path(self._unfinished, block)
        return load_block(path, self._identity) if path.exists() else None

    def save(
        self,
        block: int,
        rows: Sequence[Mapping[str, Any]],
        explanations: Sequence[Mapping[str, Any]],
    ) -> StoredBlock:
        """Write a block; when this returns it is on the disk as a whole. Its journal is removed.

        Raises:
            BenchmarkError: the folder cannot be written, or an explanation is not JSON.
            ValueError: rows and explanations do not match.
        """
        checked_rows, lines = checked_block(rows, explanations)
        with storage_errors(self._folder):
            stored = store_block(self._unfinished, block, self._identity, checked_rows, lines)
            journal_path(self._unfinished, block).unlink(missing_ok=True)
        return stored

    def journal(self, block: int) -> Journal:
        """Open the journal of a block that is not saved yet.

        Raises:
            BenchmarkError: the folder cannot be read.
        """
        head = {"block": block, "identity": self._identity}
        return Journal(journal_path(self._unfinished, block), head)
