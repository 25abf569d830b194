"""Submission of a result directory: checks, and its place among the submissions."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from datetime import datetime, timezone
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import TEMPORARY_SUFFIX, storage_errors, sync_folder, write_bytes
from benchmark.results import Run, RunRecord, benchmark_version
from benchmark.results.encoding import plain
from benchmark.results.layout import EXPLANATIONS, RECORD, SCORES, SUBMISSION
from benchmark.results.submission import SubmissionRecord, why_unverified
from leaderboards.published_record import published_record, without_folders
from leaderboards.resimulation import Resimulation


def submission_files(run: Run, checked: Resimulation) -> dict[str, bytes]:
    """Return the files that are kept of a run: its record without the submitter's folders, its
    scores.

    The explanations are needed to check a run and not to rebuild a table; their digest stays in
    the record.
    """
    scores = (run.folder / SCORES).read_bytes()
    record = _json(published_record(run.record).to_dict())
    note = SubmissionRecord(
        submitted=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        benchmark_version=benchmark_version(),
        resimulated=[list(key) for key in checked.neurons],
        seed=checked.seed,
        columns=checked.columns,
        largest_difference=float(f"{checked.largest_difference:.3g}"),
        reason=without_folders(checked.reason),
        verified=bool(checked.neurons) and not checked.reason,
        files={
            name: hashlib.sha256(data).hexdigest()
            for name, data in ((RECORD, record), (SCORES, scores))
        },
    )
    return {SCORES: scores, SUBMISSION: _json(plain(note)), RECORD: record}


def place_of_run(record: RunRecord) -> str:
    """Return where a run goes below a folder of submissions, parted by slashes."""
    parts = (record.subject.name, record.corpus.name, record.explainer.name, record.run_id)
    return "/".join(re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip(".") or "_" for part in parts)


def place(run: Run, files: dict[str, bytes], folder: Path) -> tuple[Path, bool]:
    """Put a submission into a folder as a whole; nothing is there if the process is killed.

    Returns:
        Where it lies, and whether it is new there or only now verified.

    Raises:
        BenchmarkError: another submission lies there, or the folder cannot be written.
    """
    target = folder / place_of_run(run.record)
    if target.exists():
        return target, _same(target, files)
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


def _same(target: Path, files: dict[str, bytes]) -> bool:
    """Hold a submission against the one that lies there; returns whether its note is replaced.

    It is where the note there does not say that the run was verified and the new one does.

    Raises:
        BenchmarkError: another submission lies there.
    """
    for name in (SCORES, RECORD):
        try:
            there = (target / name).read_bytes()
        except OSError:
            there = b""
        if there != files[name]:
            raise BenchmarkError(
                f"'{target}' holds another submission of that run: its {name} is another; remove "
                "it first if the new one is to take its place."
            )
    if not json.loads(files[SUBMISSION])["verified"] or not why_unverified(target):
        return False
    with storage_errors(target):
        write_bytes(target / SUBMISSION, files[SUBMISSION])
    return True


def _json(data: object) -> bytes:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2)
    return f"{text}\n".encode()


def all_files(run: Run, files: dict[str, bytes]) -> dict[str, bytes | Path]:
    """Return the files that are kept of a run, with its explanations."""
    return {**files, EXPLANATIONS: run.folder / EXPLANATIONS}
