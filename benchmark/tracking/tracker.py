"""Interface of a tracker, what it is given to log, and the tracker that does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.column import BOOL, BOUND, COST
from benchmark.results import FAILED, MetricSummary, Run, RunRecord, Scores
from benchmark.results.columns import describe


@dataclass(frozen=True)
class ExtraTable:
    """A table: names of columns, and rows of text, numbers, truth values and None."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Extras:
    """What is shown besides the run's own numbers.

    Attributes:
        tables: by name.
        pictures: PNG files by name.
    """

    tables: Mapping[str, ExtraTable] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)


MakeExtras = Callable[[Run], Extras]


class Tracker(Protocol):
    """Shows a run to somebody while it goes on and after it.

    The results on the disk are the truth. A tracker that fails on the way says so in a warning
    and never takes the run down.
    """

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Begin, before anything is computed.

        Args:
            name: what a person calls the run.
            config: its full configuration as plain values.

        Raises:
            BenchmarkError: the tracker is set up in a way that cannot work.
        """
        ...

    def log_layer(self, layer: int, metrics: Mapping[str, float | int | None]) -> None:
        """Show what a finished layer scored, as `layer_metrics` gives it. May be left out."""
        ...

    def finish(self, run: Run, extras: MakeExtras | None = None) -> list[str]:
        """Show the finished run: record, scores, and its files.

        Layers that `log_layer` was not told about are shown now.

        Args:
            run: the run.
            extras: makes tables and pictures to show with it; called only by who shows them.

        Returns:
            What to tell the user: where the run is to be seen, or how to send it there.
        """
        ...

    def abandon(self) -> list[str]:
        """End without a result: the run was interrupted or failed. Without effect after `finish`.

        Returns:
            What to tell the user.
        """
        ...


class NoTracker:
    """`tracking=none`."""

    def start(self, name: str, config: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_layer(self, layer: int, metrics: Mapping[str, float | int | None]) -> None:
        """Do nothing."""

    def finish(self, run: Run, extras: MakeExtras | None = None) -> list[str]:  # noqa: ARG002
        """Do nothing."""
        return []

    def abandon(self) -> list[str]:
        """Do nothing."""
        return []


def layer_metrics(scores: Scores, layer: int) -> dict[str, float | int | None]:
    """Return means over the neurons of one layer, under the names of the scores' columns.

    A score that cannot be computed for a neuron is left out of its mean; without any value the
    mean is None. Columns of true and false and `failed` are counts, `neurons` is how many rows the
    layer has.
    """
    rows = scores.column("layer") == layer
    found: dict[str, float | int | None] = {
        "neurons": int(rows.sum()),
        "failed": int((scores.column("status")[rows] == FAILED).sum()),
    }
    for column in scores.described:
        if column.kind == BOUND:
            continue  # an end of one neuron's interval has no mean
        values = scores.column(column.name)[rows]
        found[column.name] = int(values.sum()) if column.dtype == BOOL else _mean(values)
    return found


def overall_metrics(record: RunRecord, scores: Scores) -> dict[str, Any]:
    """Return the run's summary, coverage, and mean costs per neuron, under flat names.

    `uniform/pearson` is the mean, `uniform/pearson/low` and `/high` its interval,
    `uniform/pearson/n_null` the neurons for which it cannot be computed; `uniform/positives/median`
    is the median of how many tokens a neuron fires on.
    """
    found: dict[str, Any] = {}
    for name, entry in record.summary.items():
        if isinstance(entry, MetricSummary):
            found[name] = entry.mean
            if entry.median is not None:
                found[f"{name}/median"] = entry.median
            if describe(name).kind == COST or entry.median is not None:
                continue  # a mean cost has no interval, nor has a number of tokens
            found[f"{name}/low"], found[f"{name}/high"] = entry.low, entry.high
            found[f"{name}/n_null"] = entry.n_null
        else:
            found[name] = entry
    for column in scores.described:
        if column.kind == COST:
            found[column.name] = _mean(scores.column(column.name))
    neurons = record.neurons
    return {
        **found,
        "neurons/asked": neurons.asked,
        "neurons/explained": neurons.explained,
        "neurons/coverage": neurons.coverage,
    }


def _mean(values: NDArray[Any]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
