"""From a result directory to a place among the submissions."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.results import Run, RunRecord, benchmark_version
from benchmark.results.atomic import TEMPORARY_SUFFIX, storage_errors, sync_folder, write_bytes
from benchmark.results.encoding import plain
from benchmark.results.layout import EXPLANATIONS, RECORD, SCORES
from leaderboards.resimulation import Resimulation

SUBMISSION = "submission.json"
# Words of the command that say where its files were, which is nobody's business.
_FOLDERS = ("results_dir=", "cache_dir=", "tracking.dir=")
_NEUTRAL = {
    "results_dir": "results",
    "cache_dir": None,
    "tracking": {"name": "none", "kind": "none"},
}


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
    """

    submitted: str
    benchmark_version: str
    resimulated: list[list[int]]
    seed: int
    columns: int
    largest_difference: float
    reason: str


def submission_files(run: Run, checked: Resimulation) -> dict[str, bytes]:
    """The files that are kept of a run: its record without the submitter's folders, its scores.

    The explanations are needed to check a run and not to rebuild a table; their digest stays in
    the record.
    """
    note = SubmissionRecord(
        submitted=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        benchmark_version=benchmark_version(),
        resimulated=[list(key) for key in checked.neurons],
        seed=checked.seed,
        columns=checked.columns,
        largest_difference=float(f"{checked.largest_difference:.3g}"),
        reason=checked.reason,
    )
    return {
        SCORES: (run.folder / SCORES).read_bytes(),
        SUBMISSION: _json(plain(note)),
        RECORD: _json(_without_folders(run.record).to_dict()),
    }


def place_of_run(record: RunRecord) -> str:
    """Where a run goes below a folder of submissions, parted by slashes."""
    parts = (record.subject.name, record.corpus.name, record.explainer.name, record.run_id)
    return "/".join(re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip(".") or "_" for part in parts)


def place(run: Run, files: dict[str, bytes], folder: Path) -> tuple[Path, bool]:
    """Put a submission into a folder as a whole; nothing is there if the process is killed.

    Returns:
        Where it lies, and whether it is new there.

    Raises:
        BenchmarkError: another submission lies there, or the folder cannot be written.
    """
    target = folder / place_of_run(run.record)
    if target.exists():
        return _same(target, files), False
    with storage_errors(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f".{target.name}.*{TEMPORARY_SUFFIX}"):  # of a killed process
            shutil.rmtree(leftover, ignore_errors=True)
        # Not named run.json inside, as long as it is not whole: nobody reads half a submission.
        temporary = folder / f".{target.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
        try:
            temporary.mkdir()
            for name, data in files.items():
                write_bytes(temporary / name, data)
            os.rename(temporary, target)
            sync_folder(target.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return target, True


def _same(target: Path, files: dict[str, bytes]) -> Path:
    try:
        there = (target / SCORES).read_bytes()
    except OSError:
        there = b""
    if there != files[SCORES]:
        raise BenchmarkError(
            f"'{target}' holds another submission of that run; remove it first if the new one is "
            "to take its place."
        )
    return target


def _without_folders(record: RunRecord) -> RunRecord:
    config = {**record.config}
    config |= {key: value for key, value in _NEUTRAL.items() if key in config}
    command = [word for word in record.command if not word.startswith(_FOLDERS)]
    return dataclasses.replace(record, config=config, command=command)


def _json(data: object) -> bytes:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2)
    return f"{text}\n".encode()


def all_files(run: Run, files: dict[str, bytes]) -> dict[str, bytes | Path]:
    """The same with the explanations, for a place that has room for them."""
    return {**files, EXPLANATIONS: run.folder / EXPLANATIONS}
