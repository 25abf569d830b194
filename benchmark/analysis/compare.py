"""Runs on the same neurons set against each other, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import metrics
from benchmark.analysis.labels import run_labels
from benchmark.config.run_config import BEFORE, MEDIAN_EXEMPLAR
from benchmark.errors import BenchmarkError
from benchmark.evidence import CALIBRATED_SETS, NOVEL, UNIFORM
from benchmark.results import Run
from benchmark.scorers.causal.columns import CAUSAL, FIRING, causal_columns

HEADLINE = ("pearson", "auprc", "f1")

# The probability of calling a difference real that is none, over all tests of one table.
ALPHA = 0.05
# What a difference is marked with that holds over neurons of these documents and perhaps over no
# other documents, and one that does not hold at all.
THESE_DOCUMENTS, NOT_SIGNIFICANT = "°", "≈"

# What decides which held-out tokens are scored. What an explainer may see is free to differ.
TRUTH_KEYS = ("context_length", "contexts.held_out", "contexts.uniform", "contexts.top", "seed")
# What decides from which activation on a neuron counts as firing.
FIRING_KEYS = ("firing_reference", "firing_threshold", "contexts.explain")
# What decides it too where the median exemplar is the reference.
EXEMPLARS_KEY = "contexts.exemplars"
# What decides how predictions are calibrated.
CALIBRATION_KEYS = ("calibration", "contexts.calibrate")
# What decides in how many contexts neurons are replaced.
CAUSAL_KEYS = ("metrics.causal.contexts",)


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
        names: metrics on the `uniform` set, or columns such as `top/f1`; None takes those of the
            headline that all runs have.
        rank_by: the metric that orders the runs; None takes the first sound one of `names`.
        resamples: bootstrap resamples and sign patterns.
        level: probability that the intervals cover.
        seed: seed of the resampling.

    Raises:
        BenchmarkError: the runs do not score the same neurons on the same text, a metric is not
            known or not in all of them, or the ranking key is not sound.
    """
    columns = _columns(runs, names)
    ranking = ranking_column(rank_by, columns)
    scored = list(dict.fromkeys([*columns, ranking]))
    check_comparable(runs, scored)
    for run in runs:
        for column in scored:
            if column not in run.scores.metric_columns:
                raise BenchmarkError(
                    f"the run in '{run.folder}' has no scores '{column}'; it has "
                    f"{', '.join(run.scores.metric_columns)}. Score it again with more metrics: "
                    f"python -m benchmark score {run.folder} "
                    f"metrics={'causal' if column in causal_columns() else 'all'}"
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
    sign = 1 if metrics.get(_metric(ranking)).higher_is_better else -1
    standings.sort(key=lambda one: _place(one.over_neurons.mean, sign))
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


def _place(mean: float | None, sign: int) -> float:
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
    keys: tuple[str, ...] = TRUTH_KEYS
    if any(_looks_at_firing(column) for column in columns):
        keys += FIRING_KEYS
    if any(_is_calibrated(column) for column in columns):
        keys += CALIBRATION_KEYS
    causal = any(column in causal_columns() for column in columns)
    if causal and all(run.scores.causal_columns for run in runs):
        keys += CAUSAL_KEYS
    first = runs[0]
    for run in runs[1:]:
        reason = mismatch(first, run, keys)
        if reason:
            raise BenchmarkError(
                f"the run in '{run.folder}' cannot be compared with the one in "
                f"'{first.folder}': {reason}."
            )


def mismatch(first: Run, run: Run, keys: Sequence[str] = TRUTH_KEYS) -> str | None:
    """Why the second run cannot be compared with the first, None if it can.

    Args:
        first: a run.
        run: another one.
        keys: of the configuration that must be the same: `TRUTH_KEYS`, with `FIRING_KEYS` for
            scores of firing and `CALIBRATION_KEYS` for calibrated ones.
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
            scored = "other tokens are scored"
            if key in (*FIRING_KEYS, EXEMPLARS_KEY):
                scored = "other firing thresholds"
            elif key in CALIBRATION_KEYS:
                scored = "predictions are calibrated otherwise"
            return f"{key} is {now_value} instead of {then_value}, so that {scored}"
    there, here = set(first.scores.neurons()), set(run.scores.neurons())
    if there != here:
        odd = sorted(here - there) or sorted(there - here)
        only = "only it has" if here - there else "it lacks"
        return (
            f"it is of other neurons, {len(here)} of which {len(here & there)} are in both; "
            f"{only} {odd[0][0]}.{odd[0][1]}"
        )
    return None


def setting(config: dict[str, Any], key: str) -> Any:
    """Return the value of a key such as `contexts.top` in a run's recorded configuration.

    A key that is younger than the run has the value that the run was made with.
    """
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return BEFORE.get(key) if value is None else value


def _columns(runs: Sequence[Run], names: Sequence[str] | None) -> list[str]:
    """Columns of the names; a bare metric is one on the `uniform` set."""
    if names is None:
        found = [f"{UNIFORM}/{name}" for name in HEADLINE]
        found = [name for name in found if all(name in run.scores.metric_columns for run in runs)]
        return found or [f"{UNIFORM}/{HEADLINE[0]}"]
    columns = [name if "/" in name else f"{UNIFORM}/{name}" for name in names]
    for column in columns:
        if column not in causal_columns():
            _known(_metric(column))
    return list(dict.fromkeys(columns))


def ranking_column(rank_by: str | None, columns: Sequence[str] = ()) -> str:
    """The column that orders runs: always one on the `uniform` set, of a sound metric.

    Args:
        rank_by: a metric such as `f1` or a column such as `uniform/f1`; None takes the first sound
            one of `columns`, else the headline.
        columns: what is shown.

    Raises:
        BenchmarkError: the metric is not known, or nothing may be ranked by it.
    """
    if rank_by is None:
        for column in columns:
            if column.startswith(f"{UNIFORM}/") and metrics.get(_metric(column)).sound:
                return column
        return f"{UNIFORM}/{HEADLINE[0]}"
    if rank_by in causal_columns():
        raise BenchmarkError(
            f"'{rank_by}' cannot be a ranking key: it has no lower bound, so the few neurons that "
            f"do hardly anything decide its mean; rank by {UNIFORM}/{HEADLINE[0]}."
        )
    scoring_set, _, name = rank_by.rpartition("/")
    if _is_calibrated(rank_by):
        raise BenchmarkError(
            f"'{rank_by}' cannot be a ranking key: calibrated predictions are not what the "
            f"explanation says; rank by {UNIFORM}/{name}."
        )
    if scoring_set == NOVEL or scoring_set.startswith(f"{UNIFORM}_"):
        raise BenchmarkError(
            f"'{rank_by}' cannot be a ranking key: every table is in the order of the {UNIFORM} "
            f"set and of the run's own firing reference; rank by {UNIFORM}/{name}."
        )
    if scoring_set not in ("", UNIFORM):
        raise BenchmarkError(
            f"'{rank_by}' cannot be a ranking key: text chosen for a neuron's activation hides "
            f"where it should be silent; rank by {UNIFORM}/{name}."
        )
    _known(name)
    try:
        metrics.ranking_key(name)
    except metrics.UnsoundMetricError as error:
        raise BenchmarkError(str(error)) from None
    return f"{UNIFORM}/{name}"


def _known(name: str) -> None:
    try:
        metrics.get(name)
    except metrics.UnknownMetricError as error:
        raise BenchmarkError(str(error)) from None


def _metric(column: str) -> str:
    return column.rpartition("/")[2]


def _is_calibrated(column: str) -> bool:
    return column.rpartition("/")[0] in CALIBRATED_SETS


def _looks_at_firing(column: str) -> bool:
    if column in causal_columns():
        return column.startswith(f"{CAUSAL}/{FIRING}_")
    return metrics.get(_metric(column)).needs_threshold
