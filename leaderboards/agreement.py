"""Agreement of a submission's record with its own configuration, and with what is possible."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.config.run_config import RunConfig, listed_neurons
from benchmark.errors import BenchmarkError
from benchmark.interface import EVIDENCE_KINDS
from benchmark.plugins.trusted import TARGET, built_in_config, canonical
from benchmark.results import OK, Run
from benchmark.results.columns import cost_column
from benchmark.results.layout import RECORD, SCORES

EARLIEST = datetime(2020, 1, 1, tzinfo=timezone.utc)
CLOCK = timedelta(days=1)  # how far two clocks may differ
TIMES = ("explain_seconds", "simulate_seconds")
# Explaining any neuron by one of these takes forward passes of the subject.
QUERYING = ("explainers.n2g.N2G", "explainers.n2g.N2GPlus", "explainers.local_search.LocalSearch")


def check_agreement(run: Run, config: RunConfig) -> None:
    """Check that what a record says twice is the same, and that costs and dates are possible.

    Args:
        run: the run.
        config: its configuration.

    Raises:
        BenchmarkError: naming the first thing that is wrong.
    """
    for name, stated, configured in _stated_twice(run, config):
        if stated != configured:
            raise BenchmarkError(
                f"'{run.folder / RECORD}' contradicts itself: {name} is {_shown(stated)}, the "
                f"configuration gives {_shown(configured)}."
            )
    _check_explainer(run)
    _check_neurons(run, config)
    _check_times(run)
    _check_costs(run)


def check_date(value: str, where: str) -> datetime:
    """Return a date of a record, which names its time zone.

    Raises:
        BenchmarkError: it is none, lies in the future or before there was this benchmark.
    """
    try:
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if found.tzinfo is None:
            raise ValueError
    except ValueError:
        raise BenchmarkError(
            f"{where} is '{value}', which is no date such as 2026-01-02T03:04:05+00:00."
        ) from None
    if not EARLIEST <= found <= datetime.now(timezone.utc) + CLOCK:
        raise BenchmarkError(
            f"{where} is {value}, which lies in the future or before {EARLIEST.year}."
        )
    return found


def _stated_twice(run: Run, config: RunConfig) -> Iterator[tuple[str, Any, Any]]:
    """Yield what the record says, and what its configuration says of the same."""
    record = run.record
    explainer, options = record.explainer, config.explainer
    own = explainer.options
    same = {key for key in own.keys() & options.keys() if own[key] == options[key]}
    stated, configured = (
        {key: each[key] for key in each if key not in same} for each in (own, options)
    )
    yield "explainer.options", stated, configured
    yield "explainer.name", explainer.name, options.get("name")
    yield "explainer.target", explainer.target, options.get(TARGET)
    yield "explainer.control", explainer.control, bool(options.get("control", False))
    yield "corpus.name", record.corpus.name, config.dataset.get("name")
    yield "corpus.context_length", record.corpus.context_length, config.context_length
    subject, model = record.subject, config.model
    if model.get("name") != "local":
        yield "subject.name", subject.name, model.get("name")
    elif subject.name != Path(str(model.get("source"))).name:
        resolved = Path(str(model.get("source"))).expanduser().resolve().name
        yield "subject.name", subject.name, resolved
    yield "subject.dtype", subject.dtype, config.dtype
    yield "seeds.seed", record.seeds.get("seed"), config.seed
    yield "seeds.neurons", record.seeds.get("neurons"), config.neurons.seed
    layers = config.neurons.layers
    if config.neurons.list is not None:
        layers = [layer for layer, _ in listed_neurons(config.neurons.list)]
    elif layers is None:
        layers = list(range(subject.n_layers or 0))
    yield "subject.layers", sorted(subject.layers), sorted(set(layers))
    asked = [layer for layer, some in record.neurons.per_layer.items() if some]
    yield "neurons.per_layer", sorted({*asked, *subject.layers}), sorted(subject.layers)


def _check_explainer(run: Run) -> None:
    """Check that a built-in class is called a control exactly where it is one."""
    explainer, where = run.record.explainer, f"'{run.folder / RECORD}'"
    if explainer.evidence not in EVIDENCE_KINDS:
        raise BenchmarkError(
            f"{where}: explainer.evidence is '{explainer.evidence}'; it can be "
            f"{' or '.join(EVIDENCE_KINDS)}."
        )
    own = built_in_config(explainer.target)
    if own is not None and explainer.control != bool(own.get("control", False)):
        what = "is a control" if own.get("control") else "is no control"
        raise BenchmarkError(
            f"{where}: explainer.control is {_shown(explainer.control)}, but the built-in "
            f"explainer '{explainer.target}' {what}."
        )
    if own is None and explainer.target.partition(".")[0] == "explainers":
        raise BenchmarkError(
            f"{where}: '{explainer.target}' looks built in, but there is no such "
            "explainer in the benchmark."
        )


def _check_neurons(run: Run, config: RunConfig) -> None:
    neurons, where = run.record.neurons, f"'{run.folder / RECORD}'"
    asked = {layer: sorted(some) for layer, some in neurons.per_layer.items() if some}
    most = config.neurons.per_layer
    for layer, some in asked.items():
        last = run.record.subject.n_units(layer)
        if len(set(some)) != len(some) or some[0] < 0 or (last is not None and some[-1] >= last):
            raise BenchmarkError(
                f"{where}: neurons.per_layer names neurons of layer {layer} twice, or such as the "
                "subject does not have."
            )
        if config.neurons.list is None and most is not None and len(some) > most:
            raise BenchmarkError(
                f"{where} contradicts itself: layer {layer} has {len(some)} neurons, the "
                f"configuration draws at most {most}."
            )
    if config.neurons.list is not None:
        listed: dict[int, list[int]] = {}
        for layer, neuron in listed_neurons(config.neurons.list):
            listed.setdefault(layer, []).append(neuron)
        if listed != asked:
            raise BenchmarkError(
                f"{where} contradicts itself: neurons.per_layer are not those of neurons.list."
            )


def _check_times(run: Run) -> None:
    record, where = run.record, f"'{run.folder / RECORD}'"
    started = check_date(record.started, f"{where}: started")
    if started > check_date(record.finished, f"{where}: finished"):
        raise BenchmarkError(f"{where}: the run finished before it started.")
    for name, value in record.timings.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise BenchmarkError(f"{where}: timings.{name} is {_shown(value)}, which cannot be.")


def _check_costs(run: Run) -> None:
    """Check that every cost is possible; a computer's clock never stands still."""
    where = f"'{run.folder / SCORES}'"
    for name in TIMES:
        column = cost_column(name)
        if column not in run.scores.columns or (run.scores.column(column) <= 0).any():
            raise BenchmarkError(f"{where}: column '{column}' is missing or holds no time at all.")
    column = cost_column("subject_tokens")
    if column not in run.scores.columns:
        raise BenchmarkError(f"{where}: column '{column}' is missing.")
    explained = run.scores.column("status") == OK
    queries = canonical(run.record.explainer.target) in QUERYING
    if queries and explained.any() and not np.any(run.scores.column(column) > 0):
        raise BenchmarkError(
            f"{where}: column '{column}' is 0 everywhere, but '{run.record.explainer.name}' cannot "
            "explain a neuron without asking the subject."
        )


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
