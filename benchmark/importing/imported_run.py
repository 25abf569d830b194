"""One imported run: explanations of one method about one subject, written block by block."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmark.column import Column
from benchmark.evaluation.record import summaries
from benchmark.files.atomic import TEMPORARY_SUFFIX, replacing, storage_errors
from benchmark.files.explanation_size import SHOWN, explanation_bytes
from benchmark.importing.entries import Entry
from benchmark.importing.sequences import (
    FIRING_PART,
    SEQUENCES,
    pooled,
    saved_sequences,
    scores_of,
    text_fingerprint,
)
from benchmark.plugins.trusted import RECORDED, TARGET
from benchmark.results import (
    FAILED,
    OK,
    CorpusRecord,
    ExplainerRecord,
    ImportedRecord,
    NeuronsRecord,
    RunRecord,
    RunWriter,
    SubjectRecord,
    benchmark_version,
    collect_environment,
    explanation_line,
)
from benchmark.results.columns import CHARACTERS, LINES, cost_column
from benchmark.results.layout import RECORD, UNFINISHED
from metrics import METRICS

CORPUS = "recorded"
SENTENCES = "sentences.jsonl"
BLOCK = 256
RESAMPLES, LEVEL, SEED = 10_000, 0.95, 0


class ImportedRun:
    """The folder of an imported run while it is written, beside where it will be.

    Attributes:
        folder: where it will be.
        reused: whether the same import is there already; then nothing is written.
        neurons: how many units it has.
        repeated: further explanations of these units, which are left out.
    """

    def __init__(
        self, output: Path, imported: ImportedRecord, subject: str, site: str, method: str
    ) -> None:
        """Begin a run; what a killed import left of it is removed."""
        self._imported, self._subject, self._site = imported, subject, site
        self.method = method
        identity = {
            "benchmark": benchmark_version(),
            "imported": imported.format,
            "sha256": imported.sha256,
            "about": [subject, site, method],
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        self.folder = output / _safe(subject) / CORPUS / _safe(method) / digest[:12]
        self.reused = (self.folder / RECORD).exists()
        self.repeated = 0
        self._seen: set[tuple[int, int]] = set()
        self._pending: list[Entry] = []
        self._columns: dict[str, Column] = {}
        self._blocks = self._sequences = self._tokens = 0
        self._started = _now()
        self._writer: RunWriter | None = None
        if not self.reused:
            shutil.rmtree(self._unfinished, ignore_errors=True)
            self._writer = RunWriter.open(self._unfinished, identity)

    @property
    def subject(self) -> str:
        """Return the language model."""
        return self._subject

    @property
    def neurons(self) -> int:
        """Return the number of units."""
        return len(self._seen)

    @property
    def scored(self) -> bool:
        """Return whether anything is recorded of how good the explanations are."""
        return bool(self._sequences or self._columns)

    def take(self, entry: Entry) -> None:
        """Take in an explanation; a second one of the same unit is left out."""
        if (entry.layer, entry.neuron) in self._seen:
            self.repeated += 1
            return
        self._seen.add((entry.layer, entry.neuron))
        self._sequences += len(entry.sequences)
        self._tokens += sum(len(one.tokens) for one in entry.sequences)
        for name in entry.scores:
            self._columns.setdefault(name, _column(self._imported.format, name))
        self._pending.append(entry)
        if len(self._pending) >= BLOCK:
            self._flush()

    def finish(self) -> None:
        """Write the whole run beside its place; without any score it is sentences alone."""
        self._flush()
        if self._writer is None:
            return
        self._writer.columns = list(self._columns.values())
        with storage_errors(self.folder), replacing(self._unfinished / SENTENCES) as file:
            for saved in self._writer.explanations():
                if saved.explanation is not None:
                    line = {"neuron": saved.name, "text": saved.explanation["text"]}
                    file.write(f"{json.dumps(line, ensure_ascii=False)}\n".encode())
        if self.scored:
            self._writer.finish(self._record(self._writer))
        self._writer.close()
        shutil.rmtree(self._unfinished / UNFINISHED, ignore_errors=True)

    def put(self) -> None:
        """Move the finished run to its place."""
        if self._writer is not None:
            with storage_errors(self.folder):
                shutil.rmtree(self.folder, ignore_errors=True)
                os.replace(self._unfinished, self.folder)

    def discard(self) -> None:
        """Remove what was written and not put, and folders that are empty without it."""
        if self._writer is None:
            return
        self._writer.close()
        shutil.rmtree(self._unfinished, ignore_errors=True)
        for parent in self.folder.parents[:3]:
            with contextlib.suppress(OSError):
                parent.rmdir()

    @property
    def _unfinished(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}{TEMPORARY_SUFFIX}")

    def _flush(self) -> None:
        if self._writer is not None and self._pending:
            self._writer.columns = list(self._columns.values())
            scores = scores_of(self._pending, METRICS)
            rows = [self._row(*each) for each in zip(self._pending, scores, strict=True)]
            lines = [_line(entry) for entry in self._pending]
            self._writer.write_block(self._blocks, rows, lines)
        self._blocks += 1
        self._pending.clear()

    def _row(self, entry: Entry, scores: dict[str, Any]) -> dict[str, Any]:
        explained = bool(entry.text.strip())
        row: dict[str, Any] = {
            "layer": entry.layer,
            "neuron": entry.neuron,
            "status": OK if explained else FAILED,
            "error": None if explained else _NO_TEXT,
            **scores,
        }
        for name, value in entry.scores.items():
            row[self._columns[name].name] = None if math.isnan(value) else value
        row[cost_column("bytes")] = explanation_bytes(_saved(entry)) if explained else 0
        row[cost_column(CHARACTERS)] = len(entry.text) if explained else None
        row[cost_column(LINES)] = len(entry.text.splitlines()) if explained else None
        return row

    def _record(self, writer: RunWriter) -> RunRecord:
        scores = writer.scores()
        explained = int((scores.column("status") == OK).sum())
        per_layer: dict[int, list[int]] = {}
        for layer, neuron in sorted(self._seen):
            per_layer.setdefault(layer, []).append(neuron)
        return RunRecord(
            run_id=self.folder.name,
            imported=self._imported,
            benchmark_version=benchmark_version(),
            subject=SubjectRecord(
                name=self._subject,
                # Weights are not here; runs on the same texts are of the same model by its name.
                fingerprint=f"named {self._subject}",
                site=self._site,
                layers=sorted(per_layer),
            ),
            corpus=CorpusRecord(
                name=CORPUS,
                fingerprint=text_fingerprint(writer.explanations()),
                counts={
                    "source": self._imported.format,
                    "sequences": self._sequences,
                    "tokens": self._tokens,
                },
            ),
            explainer=ExplainerRecord(
                name=self.method, target=RECORDED, options={TARGET: RECORDED}
            ),
            neurons=NeuronsRecord(
                rule="imported",
                per_layer=per_layer,
                asked=len(scores),
                explained=explained,
                coverage=explained / len(scores),
            ),
            config={"firing_reference": "maximum", "firing_threshold": FIRING_PART},
            summary=summaries(scores, resamples=RESAMPLES, level=LEVEL, seed=SEED),
            columns=list(self._columns.values()),
            environment=collect_environment(),
            started=self._started,
            finished=_now(),
        )


_NO_TEXT = "its explanation is empty"


def _saved(entry: Entry) -> dict[str, Any]:
    known = pooled(entry.sequences)[0]
    known = known[known.isfinite()]
    largest = float(known.max()) if len(known) else entry.max_activation
    return {"text": entry.text, "max_activation": largest}


def _line(entry: Entry) -> dict[str, Any]:
    if not entry.text.strip():
        return explanation_line(entry.layer, entry.neuron, error=_NO_TEXT)
    sequences = saved_sequences(entry)
    shown = {SHOWN: {SEQUENCES: sequences}} if sequences else {}
    return explanation_line(entry.layer, entry.neuron, {**_saved(entry), **shown})


def _column(format_name: str, name: str) -> Column:
    """Return the column of a recorded score; shares of unreadable answers are better low."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-") or "score"
    return Column(
        name=f"{format_name}/{safe}",
        description=f"{name.replace('_', ' ')}, as {format_name} recorded it",
        higher_is_better=not name.endswith("unreadable"),
        scorer=format_name,
    )


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".")[:80] or "_"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
