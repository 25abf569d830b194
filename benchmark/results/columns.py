"""Names of the columns of scores, and what each of them is: no other module knows a prefix.

Columns of the benchmark's own scorers are known by their names, also those of runs of earlier
versions. Columns of a scorer that was added are known by what it declared, as `run.json` records
it; its class is not imported to read results.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

from benchmark.column import (
    BOOL,
    BOUND,
    COST,
    COUNT,
    DTYPES,
    FLOAT,
    INT,
    KINDS,
    MEAN,
    MEAN_AND_MEDIAN,
    MEASURE,
    NONE,
    PLAIN_MEAN,
    SCORE,
    SUMMARIES,
    Column,
)
from benchmark.config.run_config import FIRING_REFERENCES
from metrics import catalogue
from metrics.catalogue import Metric

KEY_COLUMNS = ("layer", "neuron", "status", "error")

SIMULATION, CALIBRATION, CAUSAL, HARNESS = "simulation", "calibration", "causal", "harness"
SIMULATED_DETECTION = "simulated_detection"
OWN_SCORERS = (SIMULATION, CALIBRATION, CAUSAL, SIMULATED_DETECTION, HARNESS)

UNIFORM, NOVEL, TOP, TOP_AND_RANDOM = "uniform", "novel", "top", "top_and_random"
UNIFORM_SMALL = "uniform_small"
SCORING_SETS = (UNIFORM, NOVEL, UNIFORM_SMALL, TOP, TOP_AND_RANDOM)
SHARED_SETS = (UNIFORM, NOVEL, UNIFORM_SMALL)
"""The scoring sets whose tokens are the same for all neurons."""
DRAWN_SETS = (UNIFORM, UNIFORM_SMALL)
"""The scoring sets of contexts drawn uniformly, by which runs may be ordered."""

CHARACTERS, LINES = "characters", "lines"
TEXT_COSTS = (CHARACTERS, LINES)
"""The length of an explanation's text; null where that is not the whole explanation."""

COSTS = ("subject_tokens", "explain_seconds", "simulate_seconds", "bytes", *TEXT_COSTS)
"""The costs that every run has, in the order of the table's columns."""

# About a scoring set, but no metrics: how many tokens a neuron fires on, and what a single neuron's
# correlation rests on.
UNDEFINED, POSITIVES, EFFECTIVE_TOKENS = "undefined", "positives", "effective_tokens"
PEARSON_LOW, PEARSON_HIGH = "pearson_low", "pearson_high"

DETECTION = "detection"
DETECTION_METRICS = ("auc", "balanced_accuracy", "activating", "non_activating")
"""What is said of windows of text by simulation; judges may have other columns of the group."""

MEAN_ABLATION, ZERO_ABLATION = "mean", "zero"
ABLATIONS = (MEAN_ABLATION, ZERO_ABLATION)
FIRING = "firing"
CAUSAL_CONTEXTS = (UNIFORM, FIRING)
SLOPE, INTERCEPT, CLIPPED = (f"calibration/{name}" for name in ("slope", "intercept", "clipped"))

FIRING_KEYS = ("firing_reference", "firing_threshold", "contexts.explain")
"""What decides from which activation on a neuron counts as firing."""
SMALL_KEYS = ("contexts.small", "contexts.small_tokens")
"""What decides which tokens are in the `uniform_small` set, beside the corpus."""
CALIBRATION_KEYS = ("calibration", "contexts.calibrate")
"""What decides how predictions are calibrated."""
CAUSAL_KEYS = ("metrics.causal.contexts",)
"""What decides in how many contexts neurons are replaced."""

_CALIBRATED = "_calibrated"
_EFFECT = "effect"
# Scorers that are added may not use them.
_RESERVED = (*SCORING_SETS, "cost", CALIBRATION, CAUSAL, _EFFECT, "resampled")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_FORM = re.compile(r",?(\.\d{1,2})?[efg%]|,?d?")


def score_column(scoring_set: str, metric: str) -> str:
    """Return the column of a metric on a scoring set, such as `uniform/pearson`."""
    return f"{scoring_set}/{metric}"


HEADLINE = score_column(UNIFORM, "pearson")
"""The column that orders runs unless another one is chosen."""
SMALL_HEADLINE = score_column(UNIFORM_SMALL, "pearson")
"""The column that orders runs of which a simulator predicted the small set alone."""


def cost_column(name: str) -> str:
    """Return the column of a cost such as `subject_tokens`."""
    return f"cost/{name}"


def simulation_cost(name: str) -> str:
    """Return the column of what a simulator spent, such as `cost/simulate_llm_tokens`."""
    return cost_column(f"simulate_{name}")


def choosing_cost(name: str) -> str:
    """Return the column of what choosing among candidates cost, such as `cost/choose_usd`."""
    return cost_column(f"choose_{name}")


SIMULATED_TOKENS = cost_column("simulated_tokens")
"""The column of how many tokens a simulator predicted of a neuron."""


def costs_of_explaining(names: Iterable[str]) -> list[str]:
    """Return the costs that stay what they are when explanations are scored again."""
    measured_again = [cost_column(name) for name in ("bytes", *TEXT_COSTS)]
    costs = [name for name in names if name.startswith(cost_column(""))]
    spent = [name for name in costs if not name.startswith(cost_column("simulate"))]
    return [name for name in spent if name not in measured_again]


def detection_column(name: str, drawn: str = UNIFORM) -> str:
    """Return the column of one of `DETECTION_METRICS` on windows of a drawn set."""
    return f"{DETECTION}/{'small_' if drawn == UNIFORM_SMALL else ''}{name}"


_DETECTION_COLUMNS = {
    detection_column(name, drawn): (name, drawn)
    for drawn in DRAWN_SETS
    for name in DETECTION_METRICS
}


def causal_column(contexts: str, ablation: str) -> str:
    """Return the column of what a simulation keeps of an ablation's effect."""
    return f"{CAUSAL}/{contexts}_{ablation}"


def effect_column(contexts: str, ablation: str) -> str:
    """Return the column of what ablating a neuron changes, as a divergence in nats per token."""
    return f"{_EFFECT}/{contexts}_{ablation}"


def causal_columns() -> list[str]:
    """Return the causal scores, such as `causal/uniform_mean`, in order."""
    return [causal_column(where, how) for where in CAUSAL_CONTEXTS for how in ABLATIONS]


def calibrated_set(scoring_set: str) -> str:
    """Return what a scoring set is called where predictions were calibrated."""
    return f"{scoring_set}{_CALIBRATED}"


def is_calibrated(column: str) -> bool:
    """Tell whether a column holds a score of calibrated predictions."""
    return column.partition("/")[0].endswith(_CALIBRATED)


def reference_set(scoring_set: str, reference: str) -> str:
    """Return what a scoring set is called where firing is measured by a further reference."""
    return f"{scoring_set}_{reference}"


def base_set(name: str) -> str:
    """Return the scoring set whose tokens a set of columns such as `uniform_calibrated` is on."""
    for suffix in (_CALIBRATED, *(f"_{reference}" for reference in FIRING_REFERENCES)):
        name = name.removesuffix(suffix)
    return name


def group_of(column: str) -> str:
    """Return what stands before a column's slash: a scoring set or a scorer."""
    return column.partition("/")[0]


def metric_of(column: str) -> str:
    """Return what stands behind a column's last slash, such as `pearson`."""
    return column.rpartition("/")[2]


def drawn_set(small_alone: bool) -> str:
    """Return the set of uniformly drawn contexts that a table is about.

    Args:
        small_alone: whether a row has scores of `uniform_small` alone.
    """
    return UNIFORM_SMALL if small_alone else UNIFORM


def own_text_sets(columns: Iterable[str], drawn: str = UNIFORM) -> list[str]:
    """Return the metrics on uniformly drawn contexts, under whichever firing reference."""
    sets = (drawn, *(reference_set(UNIFORM, reference) for reference in FIRING_REFERENCES))
    return [name for name in columns if group_of(name) in sets]


def of_set(columns: Iterable[str], scoring_set: str) -> list[str]:
    """Return the columns of one scoring set."""
    return [name for name in columns if group_of(name) == scoring_set]


def without_set(column: str) -> str:
    """Return a column's name as tables on uniformly drawn contexts show it."""
    return column.removeprefix(f"{UNIFORM}/").removeprefix(f"{UNIFORM_SMALL}/")


def describe(name: str, declared: Mapping[str, Column] | None = None) -> Column:
    """Return what a column is.

    Args:
        name: the column's name, with a slash.
        declared: the columns that scorers declared which are none of the benchmark's own.
    """
    if declared and name in declared and not _is_own(name):
        return declared[name]
    return _own(name, catalogue.METRICS.get(metric_of(name)))


def declared_columns(columns: Iterable[Column]) -> dict[str, Column]:
    """Return declared columns by their names; one that is declared twice counts as it was first."""
    found: dict[str, Column] = {}
    for column in columns:
        found.setdefault(column.name, column)
    return found


def beside_sets(columns: Iterable[Column], drawn: str = UNIFORM) -> list[Column]:
    """Return the scores that tables show beside those on scoring sets, such as causal ones.

    Args:
        columns: of a run.
        drawn: the set of uniformly drawn contexts that the table is about; see `drawn_set`.
    """
    others = {name for name, (_, of) in _DETECTION_COLUMNS.items() if of != drawn}
    shown = [one for one in columns if one.name not in others]
    return [one for one in shown if one.kind == SCORE and one.in_tables and not on_a_set(one)]


def on_a_set(column: Column) -> bool:
    """Tell whether a column is about one of the scoring sets."""
    own = column.scorer in (SIMULATION, CALIBRATION)
    return own and column.group != CALIBRATION


def problem_of(column: object) -> str:
    """Return what is wrong with a column that a scorer declares, empty if nothing is."""
    if not isinstance(column, Column):
        return f"it declares a {type(column).__name__} where a benchmark.interface.Column is due"
    shown = f"column '{column.name!s:.60}'"
    if not isinstance(column.name, str) or not _NAME.fullmatch(column.name):
        return f"{shown} must be named <group>/<what>, of letters, digits and . _ - alone"
    if column.name in _DETECTION_COLUMNS:
        return f"{shown} is one of the benchmark's own; choose another name"
    if _is_own(column.name):
        return f"{shown}: '{column.group}' is a group of the benchmark's own; choose another"
    for what, value, known in (
        ("kind", column.kind, [kind for kind in KINDS if kind != COST]),
        ("dtype", column.dtype, DTYPES),
        ("summary", column.summary, SUMMARIES),
    ):
        if value not in known:
            names = ", ".join(f"'{name}'" for name in known)
            return f"{shown}: {what} is '{value!s:.60}'; it can be {names}"
    if column.ranks and (column.kind != SCORE or column.higher_is_better is None):
        return f"{shown} may rank only as a score that says whether higher is better"
    if (column.summary == COUNT) != (column.dtype == BOOL):
        return f"{shown}: a column of true and false is summarised by 'count', and no other one is"
    if not _FORM.fullmatch(str(column.form)) or (column.form.endswith("d") and column.dtype != INT):
        return f"{shown}: '{column.form!s:.20}' formats no number; write '.3f', '.2e' or ',.0f'"
    return ""


def switch_of(column: Column) -> str:
    """Return what to add to `score <run>` to measure a column; nothing for what all runs have."""
    if column.scorer == SIMULATED_DETECTION or base_set(column.group) == UNIFORM_SMALL:
        return ""
    if on_a_set(column):
        return "metrics=all"
    return "metrics=causal" if column.scorer == CAUSAL else f"scorer={column.scorer}"


def in_order(names: Iterable[str]) -> list[str]:
    """Return columns in the order of the table: keys, scores as they come, known costs, others."""
    seen = dict.fromkeys(name for name in names if name not in KEY_COLUMNS)
    others = [name for name in seen if not name.startswith(cost_column(""))]
    known = [name for cost in COSTS if (name := cost_column(cost)) in seen]
    return list(dict.fromkeys([*KEY_COLUMNS, *others, *known, *seen]))


def cell_of(column: Column) -> tuple[str, str]:
    """Return the row and the heading that a column has in the table of one neuron."""
    if column.scorer != CAUSAL:
        return column.title or column.metric, "value"
    contexts, _, ablation = column.metric.partition("_")
    return contexts, f"{'effect' if column.group == _EFFECT else 'score'} ({ablation})"


def _is_own(name: str) -> bool:
    return base_set(group_of(name)) in _RESERVED or name in _DETECTION_COLUMNS


@functools.cache
def _own(name: str, metric: Metric | None) -> Column:
    """Return a column of the benchmark's own scorers, or one known by nothing but its name."""
    group, what = group_of(name), name.partition("/")[2]
    if group == "cost":
        return _cost(name, what)
    if group == CALIBRATION:
        return _of_calibration(name)
    if group in (CAUSAL, _EFFECT):
        return _causal(name, what)
    if name in _DETECTION_COLUMNS:
        return _detection(name)
    if what in _ABOUT_A_SET:
        return _about_a_set(name, what)
    return _score(name, group, metric)


def _score(name: str, scoring_set: str, known: Metric | None) -> Column:
    """Return a metric on a scoring set; of one of a later version, what can be said."""
    keys: tuple[str, ...] = SMALL_KEYS if base_set(scoring_set) == UNIFORM_SMALL else ()
    if known is not None and known.needs_threshold:
        keys += FIRING_KEYS
    calibrated = is_calibrated(name)
    if calibrated:
        keys += CALIBRATION_KEYS
    return Column(
        name=name,
        description=known.description if known is not None else name,
        higher_is_better=known is None or known.higher_is_better,
        ranks=scoring_set in DRAWN_SETS and known is not None and known.sound,
        comparable_on=list(keys),
        scorer=CALIBRATION if calibrated else SIMULATION,
    )


def _cost(name: str, what: str) -> Column:
    text = what in TEXT_COSTS
    return Column(
        name=name,
        description=f"{what.replace('_', ' ')} of a "
        + ("neuron's text, where that is the whole explanation" if text else "neuron"),
        kind=COST,
        dtype=INT if what == "bytes" or text else FLOAT,
        higher_is_better=False,
        summary=PLAIN_MEAN,
        scorer=HARNESS,
    )


def _of_calibration(name: str) -> Column:
    flag = name == CLIPPED
    return Column(
        name=name,
        description="whether the neuron falls where its prediction rises"
        if flag
        else f"{metric_of(name)} of the map to the neuron's scale",
        kind=MEASURE,
        dtype=BOOL if flag else FLOAT,
        higher_is_better=None,
        summary=COUNT if flag else PLAIN_MEAN,
        comparable_on=list(CALIBRATION_KEYS),
        scorer=CALIBRATION,
    )


_ABLATED = {MEAN_ABLATION: "their mean", ZERO_ABLATION: "a 0"}


def _causal(name: str, what: str) -> Column:
    contexts, _, ablation = what.partition("_")
    effect = group_of(name) == _EFFECT
    main = name == causal_column(UNIFORM, MEAN_ABLATION)
    description = (
        "what ablating the neuron changes, Jensen-Shannon divergence in nats per token"
        if effect
        else "how much of what the neurons do to the next-token distribution their simulations "
        f"carry, 1 if all, 0 if no more than {_ABLATED.get(ablation, ablation)} does; neurons "
        "count by their effect"
    )
    return Column(
        name=name,
        description=description,
        kind=MEASURE if effect else SCORE,
        higher_is_better=None if effect else True,
        summary=NONE if effect else MEAN,
        weights="" if effect else effect_column(contexts, ablation),
        comparable_on=[*CAUSAL_KEYS, *(FIRING_KEYS if contexts == FIRING else ())],
        title=CAUSAL if main else "",
        in_tables=main,
        form=".2e" if effect else ".3f",
        scorer=CAUSAL,
    )


_DETECTED = {
    "auc": "how well the largest predicted activation tells windows of text in which the neuron "
    "fires from others: area under the ROC curve, 0.5 by chance",
    "balanced_accuracy": "the same at the firing threshold: mean share of both kinds told right",
    "activating": "windows in which the neuron fires",
    "non_activating": "windows in which it does not",
}


def _detection(name: str) -> Column:
    what, drawn = _DETECTION_COLUMNS[name]
    small = drawn == UNIFORM_SMALL
    count = what.endswith("activating")
    title = {"auc": DETECTION, "balanced_accuracy": "balanced"}.get(what, "")
    return Column(
        name=name,
        description=_DETECTED[what] + (" (windows of uniform_small alone)" if small else ""),
        kind=MEASURE if count else SCORE,
        dtype=INT if count else FLOAT,
        higher_is_better=None if count else True,
        summary=MEAN_AND_MEDIAN if count else MEAN,
        comparable_on=[*FIRING_KEYS, *(SMALL_KEYS if small else ())],
        title=f"small {title}" if small and title else title,
        in_tables=what == "auc",
        scorer=SIMULATED_DETECTION,
    )


_ABOUT_A_SET = {
    UNDEFINED: "whether the prediction is constant, so that its correlation counts as 0",
    POSITIVES: "tokens that the neuron fires on",
    EFFECTIVE_TOKENS: "tokens that decide the neuron's correlation",
    PEARSON_LOW: "lower end of the neuron's correlation, whole documents drawn again",
    PEARSON_HIGH: "upper end of the neuron's correlation, whole documents drawn again",
}


def _about_a_set(name: str, what: str) -> Column:
    bound = what in (PEARSON_LOW, PEARSON_HIGH)
    summaries = {UNDEFINED: COUNT, POSITIVES: MEAN_AND_MEDIAN}
    return Column(
        name=name,
        description=_ABOUT_A_SET[what],
        kind=BOUND if bound else MEASURE,
        dtype={UNDEFINED: BOOL, POSITIVES: INT}.get(what, FLOAT),
        higher_is_better=None,
        summary=summaries.get(what, NONE),
        comparable_on=[
            *(SMALL_KEYS if base_set(group_of(name)) == UNIFORM_SMALL else ()),
            *(FIRING_KEYS if what == POSITIVES else ()),
        ],
        scorer=CALIBRATION if is_calibrated(name) else SIMULATION,
    )
