"""The names of a run's files, and what tells an unfinished run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError

RECORD = "run.json"
EXPLANATIONS = "explanations.jsonl"
SCORES = "scores.parquet"
SUBMISSION = "submission.json"
UNFINISHED = "unfinished"
IDENTITY = "identity.json"
# In the folder of an unfinished run: why each neuron failed, when all did.
DISCARDED = "failures.jsonl"
# The folder in a run's that exists while it is scored again.
RESCORED = "rescored"


def read_identity(folder: Path) -> dict[str, Any] | None:
    """What determines the unfinished run in a folder, None if none was begun.

    Raises:
        BenchmarkError: the file that says it is damaged or cannot be read.
    """
    path = folder / UNFINISHED / IDENTITY
    try:
        identity = json.loads(path.read_bytes())
        if not isinstance(identity, dict):
            raise ValueError("not an object")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise BenchmarkError(
            f"'{path}' cannot be read ({error}), so the unfinished run there cannot be continued; "
            f"remove '{folder}' and run again."
        ) from error
    return identity
