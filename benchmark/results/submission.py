"""`submission.json`: how a submitted run was checked, and whether its numbers were verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.reading import read_json
from benchmark.results.digests import digest_of
from benchmark.results.explanation_files import names_on_disk
from benchmark.results.fields import read_record
from benchmark.results.layout import RECORD, SCORES, SUBMISSION

# What `leaderboard --rebuild` writes into a folder of submissions.
TABLES = ("README.md", "leaderboard.csv", "leaderboard.json")
DEPTH = 4  # subject, corpus, explainer, run


@dataclass(frozen=True, kw_only=True)
class SubmissionRecord:
    """How a submission was checked, as `submission.json` holds it.

    Attributes:
        submitted: when, ISO 8601 in UTC.
        benchmark_version: the version that checked it.
        resimulated: (layer, neuron) of those simulated again.
        seed: what drew them.
        columns: how many columns of scores were compared.
        largest_difference: the largest difference of a score that does not hang on a threshold.
        reason: why none was simulated again; empty where some were.
        verified: whether scores were computed again and agreed.
        files: SHA-256 of the files beside it that were checked.
    """

    submitted: str
    benchmark_version: str
    resimulated: list[list[int]]
    seed: int
    columns: int
    largest_difference: float
    reason: str
    verified: bool = False
    files: dict[str, str] = field(default_factory=dict)


def why_unverified(folder: Path) -> str:
    """Return why a run's numbers are not verified; empty where they are, and for one's own.

    A run is a submission if `submission.json` lies beside it, or if it lies in a folder of
    submissions: one with their tables, or with another submission at the usual depth.
    """
    path = folder / SUBMISSION
    if not path.exists():
        if is_among_submissions(folder):
            return f"it has no {SUBMISSION}"
        return ""
    try:
        note = read_submission(path)
        for name in (RECORD, SCORES):
            if note.files.get(name) != digest_of(folder / name):
                return f"its {name} is not the file that was checked when it was submitted"
    except BenchmarkError as error:
        return str(error)
    if not note.verified or not note.resimulated:
        return note.reason or "nothing of it was simulated again"
    return ""


def read_submission(path: Path) -> SubmissionRecord:
    """Read `submission.json`.

    Raises:
        BenchmarkError: it cannot be read or is damaged.
    """
    try:
        data = read_json(path)
    except OSError as error:
        raise BenchmarkError(f"'{path}' cannot be read: {error.strerror}.") from error
    return read_record(SubmissionRecord, data, str(path))


def is_among_submissions(folder: Path) -> bool:
    """Return whether a run's folder lies in a folder of submissions."""
    above = folder.resolve().parents
    if any(all((place / name).is_file() for name in TABLES) for place in above):
        return True
    if names_on_disk(folder) or len(above) < DEPTH:
        return False
    return any(above[DEPTH - 1].glob(f"{'*/' * DEPTH}{SUBMISSION}"))
