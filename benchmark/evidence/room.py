"""Room on the disk for activations, asked for before anything is measured."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.terminal.amounts import gigabytes

SPARE = 64 * 2**20  # results and other small files


def check_room(folder: Path, needed: int) -> None:
    """Check that a disk holds what will be measured.

    Args:
        folder: where it goes; need not exist.
        needed: bytes.

    Raises:
        BenchmarkError: it does not; the message names what takes less.
    """
    free = free_bytes(folder)
    if free is not None and needed + SPARE > free:
        raise BenchmarkError(
            f"the activations take {gigabytes(needed)} and the disk of '{folder}' has "
            f"{gigabytes(free)} left. Explain fewer neurons (neurons.per_layer=...), keep them in "
            "half precision (storage.dtype=bfloat16), measure them in parts that are removed when "
            "they are scored (storage.neurons=1024), or name a larger disk (cache_dir=...)."
        )


def free_bytes(folder: Path) -> int | None:
    """Return how much room the disk of a folder has; None where the system does not tell."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    try:
        return shutil.disk_usage(nearest).free
    except OSError:
        return None
