"""The pages of a group's layers and explainers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.evidence import DEAD_MEANS
from benchmark.results import DESCRIPTIVE, FAILED, MetricSummary, Run
from benchmark.results.columns import COSTS, HEADLINE, UNIFORM, cost_column, of_set
from leaderboards.cells import is_readable
from leaderboards.rows import mean_of
from leaderboards.site.encoding import rounded
from leaderboards.site.groups import EXTREMES, Group, Method
from leaderboards.site.renderer import Renderer, all_columns, percent, score_sets, short

# Failures of one run that its page lists.
FAILURES = 200


def layer_page(renderer: Renderer, group: Group, layer: int) -> str:
    """Return the HTML of a layer's page; its table of neurons is in the layer's data."""
    layers = list(group.neurons)
    place = layers.index(layer)
    every = all_columns(method.run for method in group.methods)
    shown = [column for column in every if column.group == UNIFORM]
    columns = [column.name for column in shown]
    means: list[dict[str, Any]] = [
        {
            "slug": method.slug,
            "label": method.label,
            "colour": method.colour,
            "control": method.control,
            "scores": {column: _mean(method.run, column, layer) for column in columns},
        }
        for method in group.methods
    ]
    record = group.first.record
    page = {
        "layer": layer,
        "methods": [{"colour": method.colour} for method in group.shown],
        "means": [_line(one, one["scores"].get(HEADLINE)) for one in means],
    }
    sets = score_sets(shown)
    return renderer.page(
        "layer.html",
        2,
        page,
        group=group,
        layer=layer,
        before=layers[place - 1] if place else None,
        after=layers[place + 1] if place + 1 < len(layers) else None,
        n_neurons=len(group.every_neuron[layer]),
        n_pages=len(group.neurons[layer]),
        n_units=record.subject.n_units(layer),
        dead=record.neurons.dead.get(layer),
        dead_means=DEAD_MEANS,
        means=means,
        metrics=sets[0].metrics if sets else [],
        methods=group.shown,
    )


def explainer_page(renderer: Renderer, group: Group, method: Method) -> str:
    """Return the HTML of an explainer's page."""
    run = method.run
    record, scores = run.record, run.scores
    columns = list(scores.metric_columns)
    by_layer = [
        {"layer": layer, "label": method.label, "colour": method.colour, **_ends(found)}
        for layer in group.neurons
        if (found := _mean(run, HEADLINE, layer)) is not None
    ]
    correlations = scores.column(HEADLINE) if HEADLINE in columns else np.zeros(0)
    correlations = correlations[~np.isnan(correlations)]
    page = {
        "layers": by_layer,
        "correlations": [rounded(value) for value in correlations.tolist()],
        "colour": method.colour,
    }
    every = all_columns([run])
    uniform = of_set(columns, UNIFORM)
    shown = score_sets(column for column in every if column.group == UNIFORM)
    return renderer.page(
        "explainer.html",
        2,
        page,
        group=group,
        method=method,
        others=group.methods,
        description=str(record.explainer.options.get("description") or ""),
        facts=_facts(run),
        options=[
            (name, str(value))
            for name, value in record.explainer.options.items()
            if name not in DESCRIPTIVE and name != "_target_"
        ],
        sets=score_sets(every),
        scores={column: _mean(run, column) for column in columns},
        layers=list(group.neurons),
        extremes=_extremes(run, uniform),
        extreme_metrics=shown[0].metrics[:4] if shown else [],
        n_failures=int((scores.column("status") == FAILED).sum()),
        failures=_failures(group, run),
    )


def _failures(group: Group, run: Run) -> list[dict[str, Any]]:
    """Return the first neurons that failed, why, and whether they have a page."""
    failed, names = run.scores.column("status") == FAILED, run.scores.neurons()
    keys = [names[place] for place in np.flatnonzero(failed)[:FAILURES]]
    return [
        {
            "name": f"{row['layer']}.{row['neuron']}",
            "error": row["error"],
            "has_page": row["neuron"] in group.neurons.get(row["layer"], ()),
        }
        for row in run.scores.rows(keys)
    ]


def _mean(run: Run, column: str, layer: int | None = None) -> MetricSummary | None:
    """Return the mean of a column over the neurons of a layer, or of all, with its interval."""
    if column not in run.scores.metric_columns:
        return None
    if layer is None and (known := run.record.metric(column)) is not None:
        return known
    return mean_of(run, column, layer)


def _ends(summary: MetricSummary) -> dict[str, Any]:
    return {
        "mean": rounded(summary.mean),
        "low": rounded(summary.low),
        "high": rounded(summary.high),
        "n": summary.n,
    }


def _line(method: dict[str, Any], summary: MetricSummary | None) -> dict[str, Any]:
    ends = _ends(summary) if summary is not None else {"mean": None, "low": None, "high": None}
    return {name: method[name] for name in ("label", "colour", "control")} | ends


def _facts(run: Run) -> list[tuple[str, str, str]]:
    record = run.record
    explainer, neurons = record.explainer, record.neurons
    cost = {
        name: found.mean if (found := record.metric(cost_column(name))) is not None else None
        for name in COSTS
    }
    length = [("characters", short(cost["characters"]), "of one text, the whole explanation")]
    return [
        ("evidence", explainer.evidence, "what the explainer saw of each neuron"),
        ("coverage", f"{percent(neurons.coverage)} of {neurons.asked}", "neurons with explanation"),
        ("tokens per neuron", short(cost["subject_tokens"]), "that the subject ran to explain it"),
        ("seconds to explain", short(cost["explain_seconds"]), "a neuron, on the run's machine"),
        ("seconds to simulate", short(cost["simulate_seconds"]), "a neuron on all held-out text"),
        ("bytes", short(cost["bytes"]), "of one explanation as it is saved"),
        *(length if is_readable(record) else []),
        ("class", explainer.target, ""),
        ("run", f"{record.run_id}, {record.finished}", ""),
    ]


def _extremes(run: Run, columns: Sequence[str]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the best and the worst neurons by correlation, with the first scores beside it."""
    if HEADLINE not in columns:
        return []
    values = run.scores.column(HEADLINE)
    order = [int(i) for i in np.argsort(-values, kind="stable") if not np.isnan(values[i])]
    names = run.scores.neurons()
    beside = [run.scores.column(column) for column in columns[:4]]

    def rows(chosen: Sequence[int]) -> list[dict[str, Any]]:
        return [
            {
                "name": f"{names[i][0]}.{names[i][1]}",
                "values": [float(values[i]) for values in beside],
            }
            for i in chosen
        ]

    return [
        ("Best by correlation", rows(order[:EXTREMES])),
        ("Worst by correlation", rows(order[::-1][:EXTREMES])),
    ]
