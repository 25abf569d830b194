"""Submission of a result directory: what is published of it, and its place among submissions."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import TEMPORARY_SUFFIX, storage_errors, sync_folder, write_bytes
from benchmark.results import Run, RunRecord, benchmark_version
from benchmark.results.encoding import plain
from benchmark.results.layout import RECORD, SCORES, SUBMISSION
from benchmark.results.submission import SubmissionRecord, why_unverified
from leaderboards.resimulation import Resimulation

# Words of the command that say where its files were, which is nobody's business.
_FOLDERS = ("results_dir=", "cache_dir=", "tracking.")
_NEUTRAL = {
    "results_dir": "results",
    "cache_dir": None,
    "tracking": {"name": "none", "kind": "none"},
}


def published_record(record: RunRecord) -> RunRecord:
    """Return the record without the submitter's folders; a path is replaced by its last part.

    The fingerprints of subject and corpus cover their content, so they are the same for whoever
    has the same files in another place.
    """
    config = {**record.config}
    config |= {key: value for key, value in _NEUTRAL.items() if key in config}
    model = config.get("model")
    built_in = isinstance(model, dict) and model.get("kind") == "builtin"
    config = {
        key: value if key == "model" and built_in else _everywhere(value, base_name)
        for key, value in config.items()
    }
    dataset = config.get("dataset")
    if isinstance(dataset, dict) and dataset.get("kind") == "text":
        config["dataset"] = {**dataset, "path": _last_part(str(dataset.get("path")))}
    explainer, subject, corpus = record.explainer, record.subject, record.corpus
    source = subject.source if built_in else base_name(subject.source)
    return dataclasses.replace(
        record,
        config=config,
        command=[
            _word(word) for word in record.command if not word.lstrip("+").startswith(_FOLDERS)
        ],
        explainer=dataclasses.replace(explainer, options=_everywhere(explainer.options, base_name)),
        subject=dataclasses.replace(subject, source=source),
        corpus=dataclasses.replace(corpus, counts=_everywhere(corpus.counts, base_name)),
    )


def base_name(text: str) -> str:
    """Return the last part of a path of this or another machine; other texts are left alone."""
    return _last_part(text) if _is_local(text) else text


def without_folders(text: str) -> str:
    """Return a sentence in which every absolute path is replaced by its last part."""
    return re.sub(
        r"(?<![\w.:/\\])(?:[A-Za-z]:|~)?[/\\][^\s'\",;:()]*", lambda m: _last_part(m[0]), text
    )


def _is_local(text: str) -> bool:
    """Return whether a text is a path: absolute, of the home folder, relative upwards, or one
    that is.
    """
    if re.match(r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]|file:", text):
        return True
    parts = re.split(r"[/\\]", text)
    if len(parts) < 2 or "\0" in text or len(text) > 4096:
        return False
    try:
        return ".." in parts or Path(text).exists()
    except OSError:
        return False


def _last_part(text: str) -> str:
    parts = [part for part in re.split(r"[/\\]", text) if part not in ("", ".", "..", "~")]
    return parts[-1] if parts else "_"


def _word(word: str) -> str:
    """Return a word of the command; of `key=value` only the value can be a path."""
    key, equals, value = word.partition("=")
    if not equals:
        return base_name(word)
    if key.lstrip("+") == "dataset.path":
        return f"{key}={_last_part(value)}"
    return f"{key}={base_name(value)}"


def _everywhere(value: Any, change: Callable[[str], str]) -> Any:
    """Return the data with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _everywhere(entry, change) for key, entry in value.items()}
    if isinstance(value, list):
        return [_everywhere(entry, change) for entry in value]
    return value


def submission_files(run: Run, checked: Resimulation) -> dict[str, bytes]:
    """Return the files that are kept of a run: its record without local folders, and its scores.

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
    return {**files, **{name: run.folder / name for name in run.explanation_files.names}}
