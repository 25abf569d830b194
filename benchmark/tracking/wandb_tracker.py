"""Runs in Weights & Biases: config, metrics, a table of neurons, and the files as an artifact."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.results import Run
from benchmark.results.layout import RECORD, SCORES
from benchmark.tracking.tracker import Extras, MakeExtras, layer_metrics, overall_metrics
from benchmark.tracking.wandb_session import WandbOptions, neuron_link, start_wandb

PER_LAYER = "per_layer"
TABLE = "neurons"
LINK = "link"
ARTIFACT_TYPE = "benchmark-run"
# What W&B shows of a table; the artifact has every row.
TABLE_ROWS = 10_000

logger = logging.getLogger(__name__)


class WandbTracker:
    """`tracking=wandb`; see `Tracker` for what its methods mean.

    Logged are the config; per layer, a row of history with `layer` and `per_layer/<column>`; in
    the summary the overall metrics; the table `neurons` with links; tables and pictures of the
    leaderboard that the run is in; and the run's files as an artifact. docs/wandb.md lists the
    keys.
    """

    def __init__(self, options: WandbOptions) -> None:
        self.options = options
        self._run: Any | None = None
        self._logged: set[int] = set()

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Begin a W&B run; offline without credentials or without an answer from the server."""
        self._logged = set()
        self._run = start_wandb(self.options, name, config)
        if self._run is not None:
            with self._kept("setting up the curves"):
                self._run.define_metric("layer", hidden=True)
                self._run.define_metric(f"{PER_LAYER}/*", step_metric="layer", summary="none")

    def log_layer(self, layer: int, metrics: Mapping[str, float | int | None]) -> None:
        """Log one row of history; a mean that does not exist is left out."""
        self._logged.add(layer)
        if self._run is not None:
            row = {f"{PER_LAYER}/{key}": value for key, value in metrics.items()}
            with self._kept(f"logging layer {layer}"):
                self._run.log(
                    {"layer": layer}
                    | {key: value for key, value in row.items() if value is not None}
                )

    def finish(self, run: Run, extras: MakeExtras | None = None) -> list[str]:
        """Log what is left, hand over the files, and wait for the upload for a limited time."""
        if self._run is None:
            return []
        for layer in sorted(set(run.scores.column("layer").tolist()) - self._logged):
            self.log_layer(layer, layer_metrics(run.scores, layer))
        record = run.record.to_dict()
        about = {key: record[key] for key in record if key not in ("config", "summary", "files")}
        with self._kept("logging the record"):
            self._run.config.update({"run": about}, allow_val_change=True)
            self._run.summary.update(overall_metrics(run.record, run.scores))
        with self._kept("logging the table of neurons"):
            self._run.log({TABLE: _table(run, self.options.links)})
        if extras is not None:
            with self._kept("logging the leaderboard"):
                self._run.log(_extras(extras(run)))
        with self._kept("logging the files"):
            self._run.log_artifact(_artifact(run))
        return self._close(0)

    def abandon(self) -> list[str]:
        """Mark the W&B run as failed; what was logged stays there."""
        return self._close(1)

    def _close(self, exit_code: int) -> list[str]:
        run, self._run = self._run, None
        if run is None:
            return []
        folder, url = Path(run.settings.sync_dir), getattr(run, "url", None)
        sync = f"`wandb sync {shlex.quote(str(folder))}`"
        try:
            run.finish(exit_code=exit_code)
        except Exception as error:
            logger.warning("W&B: not everything could be uploaded (%s).", error)
            return [f"W&B: to upload what is missing: {sync}"]
        if url:
            return [f"W&B: {url}"]
        return [f"W&B: recorded offline; to upload it: {sync}"]

    @contextlib.contextmanager
    def _kept(self, doing: str) -> Iterator[None]:
        """Keep the run alive, whatever W&B says."""
        try:
            yield
        except Exception as error:
            logger.warning(
                "W&B: %s failed (%s: %s); the results on the disk are not affected.",
                doing,
                type(error).__name__,
                error,
            )


def _table(run: Run, links: str | None) -> Any:
    import wandb

    scores, subject = run.scores, run.record.subject.name
    rows = [
        [*row.values(), neuron_link(links, subject, row["layer"], row["neuron"])]
        for row in scores.rows()
    ]
    if len(rows) > TABLE_ROWS:
        step = len(rows) / TABLE_ROWS
        rows = [rows[int(row * step)] for row in range(TABLE_ROWS)]
        logger.warning("W&B: the table shows %d of %d neurons.", TABLE_ROWS, len(scores))
    return wandb.Table(columns=[*scores.columns, LINK], data=rows)


def _extras(extras: Extras) -> dict[str, Any]:
    import wandb
    from PIL import Image

    found: dict[str, Any] = {
        name: wandb.Table(columns=list(table.columns), data=[list(row) for row in table.rows])
        for name, table in extras.tables.items()
    }
    for name, data in extras.pictures.items():
        found[name] = wandb.Image(Image.open(io.BytesIO(data)))
    return found


def _artifact(run: Run) -> Any:
    import wandb

    record = run.record
    artifact = wandb.Artifact(
        name=re.sub(r"[^A-Za-z0-9._-]+", "_", f"run-{record.run_id}")[:128],
        type=ARTIFACT_TYPE,
        description=f"{record.explainer.name} on {record.subject.name}, {record.corpus.name}",
        metadata={
            "explainer": record.explainer.name,
            "subject": record.subject.fingerprint,
            "corpus": record.corpus.fingerprint,
            "schema_version": record.schema_version,
        },
    )
    for name in (RECORD, SCORES, *run.explanation_files.names):
        if (run.folder / name).exists():
            artifact.add_file(str(run.folder / name), name=name)
    return artifact
