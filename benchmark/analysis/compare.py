"""Runs on the same neurons set against each other, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import metrics
from benchmark.analysis.labels import run_labels
from benchmark.column import SCORE, Column
from benchmark.config.run_config import MEDIAN_EXEMPLAR, setting
from benchmark.errors import BenchmarkError
from benchmark.results import Run
from benchmark.results.columns import (
    CALIBRATION_KEYS,
    CAUSAL,
    CAUSAL_KEYS,
    FIRING_KEYS,
    HEADLINE,
    SHARED_SETS,
    TOP,
    TOP_AND_RANDOM,
    UNIFORM,
    base_set,
    declared_columns,
    describe,
    drawn_set,
    is_calibrated,
    metric_of,
    on_a_set,
    score_column,
    switch_of,
)

SHOWN = ("pearson", "auprc", "f1")

# The probability of calling a difference real that is none, over all tests of one table.
ALPHA = 0.05
# What a difference is marked with that holds over neurons of these documents and perhaps over no
# other documents, and one that does not hold at all.
THESE_DOCUMENTS, NOT_SIGNIFICANT = "°", "≈"

# What decides which held-out tokens are scored. What an explainer may see is free to differ.
TRUTH_KEYS = ("context_length", "contexts.held_out", "contexts.uniform", "contexts.top", "seed")
# What decides it too from which activation on a neuron fires, where the median exemplar is the
# reference.
EXEMPLARS_KEY = "contexts.exemplars"


@dataclass(frozen=True)
class Standing:
    """One run's mean on one column.

    Attributes:
        label: what tables call the run.
        run: the run.
        over_neurons: the mean with its interval over neurons.
        over_layers: the mean with its interval over layers.
        over_both: the mean with its interval over neurons and documents; None where the run has
            no scores on resamples of the documents.
    """

    label: str
    run: Run
    over_neurons: metrics.Estimate
    over_layers: metrics.Estimate
    over_both: metrics.Estimate | None = None


@dataclass(frozen=True)
class Difference:
    """One run minus another on one column.

    Attributes:
        column: such as `uniform/pearson`.
        first: label of the run that the second is taken from.
        second: label of the other.
        paired: the mean difference over neurons, its intervals and its p-values.
        adjusted_p: the p-value over neurons and documents, or over neurons where the documents of
            one of the runs were not resampled, after Holm's correction over the whole comparison.
        neuron_adjusted_p: the p-value over neurons after the same correction.
    """

    column: str
    first: str
    second: str
    paired: metrics.PairedDifference
    adjusted_p: float | None
    neuron_adjusted_p: float | None

    @property
    def mark(self) -> str:
        """Empty for a difference that holds; see `mark_of`."""
        return mark_of(self.adjusted_p, self.neuron_adjusted_p, over_both=self.paired.over_both)


def mark_of(adjusted_p: float | None, neuron_adjusted_p: float | None, *, over_both: bool) -> str:
    """Return how a difference is marked, by its corrected p-values.

    Empty where it holds over neurons and documents, `THESE_DOCUMENTS` where it holds over neurons
    of these documents only (or nothing is known of other documents), else `NOT_SIGNIFICANT`.
    """
    if over_both and adjusted_p is not None and adjusted_p < ALPHA:
        return ""
    if neuron_adjusted_p is not None and neuron_adjusted_p < ALPHA:
        return THESE_DOCUMENTS
    return NOT_SIGNIFICANT


def paired_replicates(
    first: Run, second: Run, column: str
) -> tuple[metrics.Replicates, metrics.Replicates] | None:
    """Return two runs' scores on the same resamples of the documents, None where there are none."""
    one, other = first.scores.replicates(column), second.scores.replicates(column)
    if one is None or other is None or one.draw != other.draw:
        return None
    # Somebody's file may say that it has the same resamples, and have another number of them.
    return (one, other) if one.values.shape == other.values.shape else None


@dataclass(frozen=True)
class Comparison:
    """Some runs in the order of a metric, and every pair of them on every column."""

    ranked_by: str
    standings: list[Standing]
    differences: list[Difference]


def compare_runs(
    runs: Sequence[Run],
    names: Sequence[str] | None = None,
    *,
    rank_by: str | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Rank runs by one metric and test every pair of them on the same neurons.

    Args:
        runs: at least two.
        names: metrics on the `uniform` set (on `uniform_small` where a run has scores of that set
            alone), or columns such as `top/f1`; None takes those of the headline that all have, of
            imported runs on the sequences that were recorded.
        rank_by: the metric that orders the runs; None takes the first sound one of `names`, and
            for imported runs the first.
        resamples: bootstrap resamples and sign patterns.
        level: probability that the intervals cover.
        seed: seed of the resampling.

    Raises:
        BenchmarkError: the runs do not score the same neurons on the same text, a metric is not
            known or not in all of them, or the ranking key is not sound.
    """
    declared = declared_by(runs)
    drawn = drawn_set(any(run.scores.small_alone for run in runs))
    columns = _columns(runs, names, declared, drawn)
    if rank_by is not None and "/" not in rank_by:
        rank_by = score_column(drawn, rank_by)
    if rank_by is None and all(run.record.imported for run in runs):
        ranking = columns[0]  # nothing that may rank is recorded; the order must be some
    else:
        ranking = ranking_column(rank_by, columns, declared)
    scored = list(dict.fromkeys([*columns, ranking]))
    check_comparable(runs, scored)
    for run in runs:
        for column in scored:
            if column not in run.scores.metric_columns:
                raise BenchmarkError(
                    f"the run in '{run.folder}' has no scores '{column}'; it has "
                    f"{', '.join(run.scores.metric_columns)}. Score it again with more metrics: "
                    f"python -m benchmark score {run.folder} "
                    f"{switch_of(describe(column, declared))}"
                )
    named = dict(zip(map(id, runs), run_labels(runs), strict=True))
    layers = runs[0].scores.column("layer")
    settings: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seed}
    standings = [
        Standing(
            named[id(run)],
            run,
            metrics.mean_over_neurons(run.scores.column(ranking), **settings),
            metrics.mean_over_neurons(run.scores.column(ranking), clusters=layers, **settings),
            _over_both(run, ranking, settings),
        )
        for run in runs
    ]
    sign = 1 if describe(ranking, declared).higher_is_better else -1
    standings.sort(key=lambda one: place_by_mean(one.over_neurons.mean, sign))
    found = []
    for column in columns:
        for place, first in enumerate(standings):
            for second in standings[place + 1 :]:
                paired = metrics.paired_difference(
                    first.run.scores.column(column),
                    second.run.scores.column(column),
                    clusters=layers,
                    replicates=paired_replicates(first.run, second.run, column),
                    **settings,
                )
                found.append((column, first.label, second.label, paired))
    adjusted = metrics.holm([paired.widest_p for _, _, _, paired in found])
    of_neurons = metrics.holm([paired.p for _, _, _, paired in found])
    differences = [
        Difference(*one, p, neuron_p)
        for one, p, neuron_p in zip(found, adjusted, of_neurons, strict=True)
    ]
    return Comparison(ranking, standings, differences)


def _over_both(run: Run, column: str, settings: dict[str, Any]) -> metrics.Estimate | None:
    replicates = run.scores.replicates(column)
    if replicates is None:
        return None
    values = run.scores.column(column)
    estimate = metrics.mean_over_neurons_and_documents(values, replicates, **settings)
    return None if estimate.low is None else estimate


def place_by_mean(mean: float | None, sign: int) -> float:
    """Return what sorts means best first, those that are missing last; `sign` is -1 for errors."""
    return math.inf if mean is None else -sign * mean


def check_comparable(runs: Sequence[Run], columns: Sequence[str] = ()) -> None:
    """Check that runs score the same neurons of the same subject on the same tokens.

    Raises:
        BenchmarkError: naming the first run that does not, and why; also for fewer than two runs
            and for a run that is named twice.
    """
    if len(runs) < 2:
        raise BenchmarkError(f"compare takes at least two runs, not {len(runs)}.")
    folders = [run.folder.resolve() for run in runs]
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise BenchmarkError(f"the run in '{runs[place].folder}' is named twice.")
    declared = declared_by(runs)
    needed: list[str] = []
    for column in (describe(name, declared) for name in columns):
        # Where a run was not scored by a scorer at all, that is what is to be said.
        if on_a_set(column) or all(column.name in run.scores.columns for run in runs):
            needed += column.comparable_on
    keys = tuple(dict.fromkeys([*TRUTH_KEYS, *needed]))
    first = runs[0]
    for run in runs[1:]:
        reason = mismatch(first, run, keys)
        if reason:
            raise BenchmarkError(
                f"the run in '{run.folder}' cannot be compared with the one in "
                f"'{first.folder}': {reason}."
            )


def mismatch(first: Run, run: Run, keys: Sequence[str] = TRUTH_KEYS) -> str | None:
    """Return why the second run cannot be compared with the first, None if it can.

    Args:
        first: a run.
        run: another one.
        keys: of the configuration that must be the same: `TRUTH_KEYS`, and those that the columns
            to be compared on name.
    """
    one, other = first.record, run.record
    for what, then, now in (
        ("subject", one.subject, other.subject),
        ("corpus", one.corpus, other.corpus),
    ):
        if then.fingerprint != now.fingerprint:
            return (
                f"it is of another {what}, '{now.name}' with fingerprint {now.fingerprint[:12]} "
                f"instead of '{then.name}' with {then.fingerprint[:12]}"
            )
    for what in ("site", "dtype"):
        then_value, now_value = getattr(one.subject, what), getattr(other.subject, what)
        if then_value != now_value:
            return f"the subject's {what} is {now_value} instead of {then_value}"
    if "firing_reference" in keys and setting(one.config, "firing_reference") == MEDIAN_EXEMPLAR:
        keys = (*keys, EXEMPLARS_KEY)
    for key in keys:
        then_value, now_value = setting(one.config, key), setting(other.config, key)
        if then_value != now_value:
            return f"{key} is {now_value} instead of {then_value}, so that {_consequence(key)}"
    there, here = set(first.scores.neurons()), set(run.scores.neurons())
    if there != here:
        odd = sorted(here - there) or sorted(there - here)
        only = "only it has" if here - there else "it lacks"
        return (
            f"it is of other neurons, {len(here)} of which {len(here & there)} are in both; "
            f"{only} {odd[0][0]}.{odd[0][1]}"
        )
    return None


def _consequence(key: str) -> str:
    """Return what it means for a comparison that a setting differs."""
    if key in (*FIRING_KEYS, EXEMPLARS_KEY):
        return "other firing thresholds"
    if key in CALIBRATION_KEYS:
        return "predictions are calibrated otherwise"
    if key in (*TRUTH_KEYS, *CAUSAL_KEYS):
        return "other tokens are scored"
    return "something else is measured"


def declared_by(runs: Iterable[Run]) -> dict[str, Column]:
    """Return the columns that scorers which were added to any of the runs declared, by name."""
    return declared_columns(column for run in runs for column in run.scores.declared.values())


def _columns(
    runs: Sequence[Run], names: Sequence[str] | None, declared: Mapping[str, Column], drawn: str
) -> list[str]:
    """Return columns of the names; a bare metric is one on the drawn set."""
    if names is None:
        imported = all(run.record.imported for run in runs)
        sets = (TOP_AND_RANDOM, TOP) if imported else (drawn,)
        found = [score_column(one, name) for one in sets for name in SHOWN]
        found = [name for name in found if all(name in run.scores.metric_columns for run in runs)]
        return found or [score_column(drawn, "pearson")]
    columns = [name if "/" in name else score_column(drawn, name) for name in names]
    for name in columns:
        column = describe(name, declared)
        if on_a_set(column):
            _known(metric_of(name))
        elif column.kind != SCORE:
            raise BenchmarkError(
                f"'{name}' is no score, so runs are not compared on it: {column.description}."
            )
    return list(dict.fromkeys(columns))


def ranking_column(
    rank_by: str | None,
    columns: Sequence[str] = (),
    declared: Mapping[str, Column] | None = None,
) -> str:
    """Return the column that orders runs: a sound metric on the `uniform` set, or one that may.

    Args:
        rank_by: a metric such as `f1`, a column such as `uniform/f1`, or one of a scorer that was
            added; None takes the first of `columns` that may rank, else the headline.
        columns: what is shown.
        declared: the columns of scorers that were added.

    Raises:
        BenchmarkError: the metric is not known, or nothing may be ranked by it.
    """
    if rank_by is None:
        return next((name for name in columns if describe(name, declared).ranks), HEADLINE)
    column = describe(rank_by if "/" in rank_by else score_column(UNIFORM, rank_by), declared)
    if column.ranks:
        return column.name
    scoring_set, name = column.group, metric_of(column.name)
    if column.scorer == CAUSAL:
        raise _cannot_rank(
            column,
            "it has no lower bound, so the few neurons that do hardly anything decide its mean",
        )
    if not on_a_set(column):
        raise _cannot_rank(
            column, f"scorer '{column.scorer}' declares that nothing is ranked by it"
        )
    instead = score_column(UNIFORM, name)
    if is_calibrated(column.name):
        why = "calibrated predictions are not what the explanation says"
        raise _cannot_rank(column, why, instead)
    if scoring_set != UNIFORM and base_set(scoring_set) in SHARED_SETS:
        why = f"every table is in the order of the {UNIFORM} set and of the run's own firing"
        raise _cannot_rank(column, f"{why} reference", instead)
    if scoring_set != UNIFORM:
        why = "text chosen for a neuron's activation hides where it should be silent"
        raise _cannot_rank(column, why, instead)
    _known(name)
    try:
        metrics.ranking_key(name)
    except metrics.UnsoundMetricError as error:
        raise BenchmarkError(str(error)) from None
    return column.name


def _cannot_rank(column: Column, why: str, instead: str = HEADLINE) -> BenchmarkError:
    return BenchmarkError(f"'{column.name}' cannot be a ranking key: {why}; rank by {instead}.")


def _known(name: str) -> None:
    try:
        metrics.get(name)
    except metrics.UnknownMetricError as error:
        raise BenchmarkError(str(error)) from None
