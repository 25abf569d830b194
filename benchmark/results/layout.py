"""The names of a run's files, and what tells an unfinished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.reading import read_json

RECORD = "run.json"
EXPLANATIONS = "explanations.jsonl"
# The folder of the parts that take the place of EXPLANATIONS in a large run.
EXPLANATION_PARTS = "explanations"
SCORES = "scores.parquet"
SUBMISSION = "submission.json"
UNFINISHED = "unfinished"
IDENTITY = "identity.json"
# In the folder of an unfinished run: why each neuron failed, when all did.
DISCARDED = "failures.jsonl"
# The folder in a run's that exists while it is scored again.
RESCORED = "rescored"


def read_identity(folder: Path) -> dict[str, Any] | None:
    """Return what determines the unfinished run in a folder, None if none was begun.

    Raises:
        BenchmarkError: the file that says it is damaged or cannot be read.
    """
    path = folder / UNFINISHED / IDENTITY
    try:
        identity = read_json(path)
        if not isinstance(identity, dict):
            raise BenchmarkError(f"'{path}' is damaged: it is no object.")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BenchmarkError as error:
        raise BenchmarkError(
            f"{error} The unfinished run there cannot be continued; remove '{folder}' and run "
            "again."
        ) from error
    return identity
