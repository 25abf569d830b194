"""Validation of a result directory as a whole, consistent run, without its subject."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.column import COST
from benchmark.config.run_config import RunConfig
from benchmark.errors import BenchmarkError
from benchmark.evaluation.record import summarise
from benchmark.evaluation.reopen import config_of
from benchmark.files.reading import parse_json_line, read_json
from benchmark.results import OK, MetricSummary, Run, explanation_bytes, load_run
from benchmark.results.columns import (
    SCORING_SETS,
    TEXT_COSTS,
    base_set,
    cost_column,
    group_of,
    metric_of,
)
from benchmark.results.explanation_files import listed_names
from benchmark.results.layout import RECORD, SCORES, UNFINISHED
from benchmark.results.lines import parse_line
from benchmark.results.reader import read_record_of
from leaderboards import schema
from leaderboards.agreement import check_agreement
from metrics import METRICS

SIZE = cost_column("bytes")
# Two machines add in another order; the bootstrap's quantiles are interpolated.
MEAN_TOLERANCE, INTERVAL_TOLERANCE = 1e-9, 1e-6


def validated(folder: Path, *, published: bool = False) -> Run:
    """Return a run whose record fits its schema and itself, and whose files fit it and each other.

    Args:
        folder: the run's folder.
        published: whether it lies among submissions, where explanations are not kept.

    Raises:
        BenchmarkError: naming the first thing that is wrong.
    """
    if folder.name == RECORD and folder.is_file():
        folder = folder.parent
    data = _record(folder)
    version = data.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise BenchmarkError(f"'{folder / RECORD}' has no schema_version: it is no run's record.")
    schema.validate(data, schema.RUN, version, f"'{folder / RECORD}'")
    _check_there(folder, [RECORD, SCORES])
    record = read_record_of(folder)
    if not published:
        _check_there(folder, listed_names(record))
    run = load_run(folder)
    _check_digests(run)
    config = config_of(run)
    _check_neurons(run)
    _check_values(run)
    if not published or run.explanation_files.exist():
        _check_lines(run, version)
    check_agreement(run, config)
    _check_summary(run, config)
    return run


def _check_there(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise BenchmarkError(
                f"'{folder}' has no {name}: a submission is the whole folder of a run."
            )


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    try:
        data = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        unfinished = (folder / UNFINISHED).is_dir()
        what = (
            "is unfinished: repeat the command that began it" if unfinished else "has no run.json"
        )
        raise BenchmarkError(
            f"'{folder}' {what}; a submission is the folder of one finished run, such as "
            "results/solu-tiny/stdlib/n2g/<run>."
        ) from None
    if not isinstance(data, dict):
        raise BenchmarkError(f"'{path}' is damaged: it holds no object.")
    return data


def _check_digests(run: Run) -> None:
    """Check that the record has digests of all files; `load_run` holds the files against them."""
    for name in (SCORES, *run.explanation_files.names):
        if name not in run.record.files:
            raise BenchmarkError(f"'{run.folder / RECORD}' has no digest of {name} in 'files'.")


def _check_neurons(run: Run) -> None:
    """Check that rows and record are about the same neurons and count them alike."""
    record, scores = run.record, run.scores
    asked = {(layer, one) for layer, some in record.neurons.per_layer.items() for one in some}
    if asked != set(scores.neurons()) or not asked:
        raise BenchmarkError(
            f"'{run.folder}': the neurons in run.json are not those in scores.parquet."
        )
    explained = int((scores.column("status") == "ok").sum())
    stated = (record.neurons.asked, record.neurons.explained)
    if stated != (len(scores), explained):
        raise BenchmarkError(
            f"'{run.folder}': run.json says that {stated[1]} of {stated[0]} neurons were "
            f"explained, scores.parquet says {explained} of {len(scores)}."
        )
    coverage = record.neurons.coverage
    if coverage is None or not math.isclose(coverage, explained / len(scores)):
        raise BenchmarkError(f"'{run.folder}': neurons.coverage is not explained / asked.")


def _check_values(run: Run) -> None:
    """Check that every score is one that its metric can have."""
    for column in run.scores.metric_columns:
        values = run.scores.column(column)
        metric, scoring_set = METRICS.get(metric_of(column)), base_set(group_of(column))
        known = values[~np.isnan(values)]
        low = high = None
        if metric is not None and scoring_set in SCORING_SETS:
            low, high = metric.lower, metric.upper
        bad = ~np.isfinite(known)
        bad |= known < (-math.inf if low is None else low - 1e-6)
        bad |= known > (math.inf if high is None else high + 1e-6)
        if bad.any():
            raise BenchmarkError(
                f"'{run.folder / SCORES}': column '{column}' holds {known[bad][0]:g}, which that "
                "metric cannot be."
            )
    for column in (one.name for one in run.scores.described if one.kind == COST):
        values = run.scores.column(column)
        if metric_of(column) in TEXT_COSTS:  # null where the text is not the whole explanation
            values = values[~np.isnan(values)]
        if (~np.isfinite(values) | (values < 0)).any():
            raise BenchmarkError(
                f"'{run.folder / SCORES}': column '{column}' holds a negative cost, an infinite "
                "one or none."
            )
    _check_text(run)


def _check_text(run: Run) -> None:
    """Check that the length of a text is possible, and stated of explained neurons alone."""
    nothing = np.full(len(run.scores), np.nan)
    characters, lines = (
        run.scores.column(name) if (name := cost_column(cost)) in run.scores.columns else nothing
        for cost in TEXT_COSTS
    )
    known = ~np.isnan(characters)
    unequal = known != ~np.isnan(lines)
    impossible = (lines > characters) | ((lines == 0) & (characters > 0))
    if (unequal | impossible | (known & (run.scores.column("status") != OK))).any():
        names = " and ".join(f"'{cost_column(cost)}'" for cost in TEXT_COSTS)
        raise BenchmarkError(
            f"'{run.folder / SCORES}': columns {names} cannot be the lengths of texts; they are "
            "numbers together, of explained neurons alone, with at least a character a line."
        )


def _check_lines(run: Run, version: int) -> None:
    """Check that each neuron has one explanation of the size in the table, or its failure."""
    rows = {
        (row["layer"], row["neuron"]): (row["status"], row.get(SIZE)) for row in run.scores.rows()
    }
    seen: set[tuple[int, int]] = set()
    for where, line in run.explanation_lines():
        data = parse_json_line(line, where)
        schema.validate(data, schema.EXPLANATION, version, where)
        try:
            saved = parse_line(data)
        except ValueError as error:
            raise BenchmarkError(f"{where}: {error}.") from None
        key = (saved.layer, saved.neuron)
        row = rows.get(key)
        if row is None or key in seen:
            what = "twice" if row is not None else "that is not in scores.parquet"
            raise BenchmarkError(f"{where} is about neuron {key[0]}.{key[1]} {what}.")
        seen.add(key)
        size = 0 if saved.explanation is None else explanation_bytes(saved.explanation)
        status, stated = row
        if (status, size if SIZE not in run.scores.columns else stated) != (saved.status, size):
            raise BenchmarkError(
                f"{where}: neuron {key[0]}.{key[1]} is '{saved.status}' with {size} bytes here, "
                f"'{status}' with {stated} in scores.parquet."
            )
    missing = sorted(set(rows) - seen)
    if missing:
        raise BenchmarkError(
            f"'{run.explanation_file(*missing[0])}' has no line for {len(missing)} neurons, "
            f"first {missing[0][0]}.{missing[0][1]}."
        )


def _check_summary(run: Run, config: RunConfig) -> None:
    """Check that the means in run.json are those of the scores."""
    try:
        again = summarise(config, run.scores)
    except KeyError as error:
        raise BenchmarkError(
            f"'{run.folder / SCORES}' has no column {error}, which the run's metrics ask for."
        ) from None
    for name, expected in again.items():
        stated = run.record.summary.get(name)
        if not _agree(stated, expected):
            raise BenchmarkError(
                f"'{run.folder / RECORD}': summary '{name}' is {_shown(stated)}, the scores give "
                f"{_shown(expected)}."
            )


def _agree(stated: MetricSummary | int | None, expected: MetricSummary | int) -> bool:
    if not isinstance(expected, MetricSummary) or not isinstance(stated, MetricSummary):
        return stated == expected
    if (stated.n, stated.n_null) != (expected.n, expected.n_null):
        return False
    if stated.over != expected.over:
        return False
    names = ["low", "high", "layer_low", "layer_high"]
    if stated.neuron_low is not None:  # a record of an earlier version lacks it
        names += ["neuron_low", "neuron_high"]
    return _near(stated.mean, expected.mean, MEAN_TOLERANCE) and all(
        _near(getattr(stated, name), getattr(expected, name), INTERVAL_TOLERANCE) for name in names
    )


def _near(stated: float | None, expected: float | None, tolerance: float) -> bool:
    if stated is None or expected is None:
        return stated is expected
    return abs(stated - expected) <= tolerance * max(1.0, abs(expected))


def _shown(summary: MetricSummary | int | None) -> str:
    if isinstance(summary, MetricSummary):
        return f"{summary.mean} [{summary.low}, {summary.high}]"
    return "missing" if summary is None else str(summary)
