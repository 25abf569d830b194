"""Templates and how values look in them. Every text is escaped: a token is never markup."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.column import SCORE, Column
from benchmark.config.run_config import MAXIMUM, MEDIAN_EXEMPLAR
from benchmark.results import Run, benchmark_version
from benchmark.results.columns import (
    CAUSAL,
    NOVEL,
    OWN_SCORERS,
    SHARED_SETS,
    TOP,
    TOP_AND_RANDOM,
    UNIFORM,
    UNIFORM_SMALL,
    calibrated_set,
    declared_columns,
    on_a_set,
    reference_set,
)
from leaderboards.site.encoding import json_text
from metrics import METRICS

_TITLES = {"pearson": "r", "auprc": "AUPRC", "f1": "F1", "iou": "IoU", "r2": "R²", "auroc": "AUROC"}
_CAPTIONS = {
    UNIFORM: "On the uniform set: held-out contexts drawn at random",
    NOVEL: "On the novel set: the tokens of the uniform set whose last eight tokens stand "
    "nowhere in the explain split",
    reference_set(UNIFORM, MAXIMUM): "On the uniform set, firing measured by the neuron's largest "
    "activation",
    reference_set(UNIFORM, MEDIAN_EXEMPLAR): "On the uniform set, firing measured by the median "
    "exemplar's peak",
    UNIFORM_SMALL: "On the small uniform set: a fixed part of held-out text, all that simulators "
    "predict that cost money",
    TOP: "On the top set: the neuron's own strongest held-out contexts",
    TOP_AND_RANDOM: "On top and random contexts pooled",
    calibrated_set(UNIFORM): "On the uniform set, after a line was fitted to the prediction on "
    "calibration text",
    CAUSAL: "Causal: the subject's neuron replaced by its prediction",
}


@dataclass(frozen=True)
class Heading:
    """A column of scores as tables head it."""

    column: str
    title: str
    description: str
    sound: bool


@dataclass(frozen=True)
class ScoreSet:
    """The columns of one scoring set.

    Attributes:
        name: such as `uniform`.
        caption: what it is, for a person.
        metrics: its columns.
        open: whether its text was chosen without looking at a neuron, so that it stands in sight.
    """

    name: str
    caption: str
    metrics: list[Heading]
    open: bool


class Renderer:
    """Renders the templates of this package."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("leaderboards.site"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=False,
        )
        self._environment.filters["data"] = lambda value: Markup(json_text(value))
        self._environment.filters["fixed"] = fixed
        self._environment.filters["breakable"] = breakable
        self._environment.filters["typed"] = typed
        self._version = benchmark_version()

    def page(self, template: str, depth: int, page: dict[str, Any], **values: Any) -> str:
        """Return a page `depth` folders below the report's; `page` is what its script reads."""
        return self._environment.get_template(template).render(
            root="../" * depth, page=page, version=self._version, **values
        )


def score_sets(columns: Iterable[Column]) -> list[ScoreSet]:
    """Return columns by scoring set or scorer: first those on text that no activation chose."""
    sets: dict[str, list[Heading]] = {}
    added: dict[str, str] = {}
    for column in columns:
        sets.setdefault(column.group, []).append(heading_of(column))
        if column.scorer not in OWN_SCORERS:
            added[column.group] = f"Scores of {column.scorer}"
    # `sorted` keeps the order of what is equal.
    names = sorted(sets, key=lambda name: SHARED_SETS.index(name) if name in SHARED_SETS else 9)
    return [
        ScoreSet(name, {**added, **_CAPTIONS}.get(name, name), sets[name], name in SHARED_SETS)
        for name in names
    ]


def heading_of(column: Column) -> Heading:
    """Return how tables head a column."""
    metric = METRICS.get(column.metric) if on_a_set(column) else None
    name = column.metric
    title = _TITLES.get(name, name.replace("_", " "))
    if column.scorer not in OWN_SCORERS:
        title = column.title or title
    description = column.description if column.scorer not in (CAUSAL,) else column.name
    return Heading(column.name, title, description or column.name, metric is None or metric.sound)


def all_columns(runs: Iterable[Run]) -> list[Column]:
    """Return the scores of several runs, each once, in the order in which they are met."""
    scores = (one for run in runs for one in run.scores.described if one.kind == SCORE)
    return list(declared_columns(scores).values())


def fixed(value: float | None, digits: int = 2) -> str:
    """Return a number with a fixed count of decimals, a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if abs(value) >= 1000:
        return short(value)
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def short(value: float | None, digits: int = 3) -> str:
    """Return a number of any size with few significant digits."""
    if value is None or math.isnan(value):
        return "–"
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    return text.replace("-", "−")


def percent(value: float | None, digits: int = 2) -> str:
    """Return a share in percent."""
    if value is None:
        return "–"
    if value == 0:
        return "0 %"
    scaled = 100 * value
    return f"{scaled:.3g} %" if scaled >= 10 else f"{scaled:.{digits}g} %"


def breakable(text: str) -> Markup:
    """Return a pattern that may be broken behind an alternative."""
    return escape(text).replace("|", Markup("|<wbr>"))


def typed(text: str) -> str:
    """Return what a person would type to find a token."""
    return text.replace("·", " ")
