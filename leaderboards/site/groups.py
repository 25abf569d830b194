"""Runs put together that are about the same subject, on the same text: one part of a report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmark.analysis.compare import TRUTH_KEYS
from benchmark.analysis.labels import run_labels
from benchmark.config.run_config import setting
from benchmark.errors import BenchmarkError
from benchmark.results import Run
from benchmark.results.columns import FIRING_KEYS, HEADLINE

# Neurons of the largest and of the smallest correlation that an explainer's page names.
EXTREMES = 10


@dataclass(frozen=True)
class Method:
    """One run of a group under the name and the file name that the report gives it.

    Attributes:
        label: the explainer's name, and what distinguishes it from others of that name.
        slug: the same as a part of a file name.
        run: the run.
        colour: number of its colour, the same on every page.
    """

    label: str
    slug: str
    run: Run
    colour: int

    @property
    def control(self) -> bool:
        """Return whether it only bounds the scale."""
        return self.run.record.explainer.control


@dataclass(frozen=True)
class Group:
    """Runs whose neurons, tokens and thresholds are the same things.

    Attributes:
        slug: its folder in the report.
        title: subject and corpus for a person.
        methods: its runs, best mean correlation on the `uniform` set first, controls last.
        pages: how many neurons of a layer have a page, besides the best and worst ones of each
            run; None for all.
    """

    slug: str
    title: str
    methods: tuple[Method, ...]
    pages: int | None = None

    @property
    def first(self) -> Run:
        """Return any of the runs: what the group has in common can be read there."""
        return self.methods[0].run

    @property
    def shown(self) -> list[Method]:
        """Return the methods whose predictions stand on pages of neurons: all but controls."""
        return [method for method in self.methods if not method.control]

    @cached_property
    def neurons(self) -> dict[int, list[int]]:
        """Return the neurons that have a page, by layer, both ascending.

        Those are all that any run is about; or of each layer so many, spread evenly from the best
        to the worst correlation of the first run, with the best and worst ones of each run.
        """
        if self.pages is None:
            return self.every_neuron
        listed = {key for method in self.methods for key in best_and_worst(method.run)}
        run = self.first
        known = HEADLINE in run.scores.columns
        values = run.scores.column(HEADLINE) if known else np.zeros(len(run.scores))
        scores = dict(zip(run.scores.neurons(), np.nan_to_num(values).tolist(), strict=True))
        chosen: dict[int, list[int]] = {}
        for layer, neurons in self.every_neuron.items():
            order = sorted(neurons, key=lambda one: (-scores.get((layer, one), -2.0), one))
            places = np.linspace(0, len(order) - 1, min(self.pages, len(order)))
            some = {order[place] for place in np.rint(places).astype(int).tolist()}
            some.update(neuron for of_layer, neuron in listed if of_layer == layer)
            chosen[layer] = sorted(some)
        return chosen

    @cached_property
    def every_neuron(self) -> dict[int, list[int]]:
        """Return the neurons that any run is about, by layer, both ascending."""
        found: dict[int, set[int]] = {}
        for method in self.methods:
            for layer, neurons in method.run.record.neurons.per_layer.items():
                found.setdefault(layer, set()).update(neurons)
        return {layer: sorted(found[layer]) for layer in sorted(found) if found[layer]}

    @property
    def n_neurons(self) -> int:
        """Number of neurons of all layers that have a page."""
        return sum(map(len, self.neurons.values()))


def best_and_worst(run: Run) -> list[tuple[int, int]]:
    """Return the neurons of the largest correlations on the `uniform` set and of the smallest."""
    if HEADLINE not in run.scores.columns:
        return []
    values, names = run.scores.column(HEADLINE), run.scores.neurons()
    order = [place for place in np.argsort(-values, kind="stable") if not np.isnan(values[place])]
    return [names[place] for place in {*order[:EXTREMES], *order[-EXTREMES:]}]


def group_runs(runs: Sequence[Run], pages: int | None = None) -> list[Group]:
    """Return groups in the order in which their first run is given.

    Args:
        runs: finished runs.
        pages: how many neurons of a layer have a page; None for all.

    Raises:
        BenchmarkError: there is no run, or one is named twice.
    """
    if not runs:
        raise BenchmarkError("a report takes at least one finished run.")
    folders = [run.folder.resolve() for run in runs]
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise BenchmarkError(f"the run in '{runs[place].folder}' is named twice.")
    parts: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        parts.setdefault(_identity(run), []).append(run)
    groups: list[Group] = []
    for members in parts.values():
        record = members[0].record
        slug = _unique(
            slugged(f"{record.subject.name}-{record.corpus.name}"), [g.slug for g in groups]
        )
        title = f"{record.subject.name} on {record.corpus.name}"
        if any(group.title == title for group in groups):
            title = f"{title} ({record.corpus.fingerprint[:8]}, {slug.rpartition('-')[2]})"
        groups.append(Group(slug, title, tuple(_methods(members)), pages))
    return groups


def slugged(name: str) -> str:
    """Return a name as a part of a file name and of an address."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-") or "x"


def _identity(run: Run) -> tuple[str, ...]:
    """Return what must agree for two runs to be measured against the same truth."""
    record = run.record
    keys = (*TRUTH_KEYS, *FIRING_KEYS, "contexts.exemplars", "contexts.sample")
    settings = [str(setting(record.config, key)) for key in dict.fromkeys(keys)]
    subject = record.subject
    return (
        subject.fingerprint,
        subject.site,
        subject.dtype,
        record.corpus.fingerprint,
        *settings,
    )


def _methods(runs: Sequence[Run]) -> list[Method]:
    """Name the runs, in the order of every table."""
    ordered = sorted(
        runs,
        key=lambda run: (run.record.explainer.control, bool(run.unverified), -headline(run)),
    )
    methods: list[Method] = []
    for run, label in zip(ordered, run_labels(ordered), strict=True):
        slug = _unique(slugged(label), [method.slug for method in methods])
        methods.append(Method(label, slug, run, len(methods)))
    return methods


def headline(run: Run) -> float:
    """Return the mean correlation on the `uniform` set; below all others where there is none."""
    found = run.record.metric(HEADLINE)
    return found.mean if found is not None and found.mean is not None else -2.0


def _unique(slug: str, taken: Sequence[str]) -> str:
    number, found = 2, slug
    while found in taken:
        found = f"{slug}-{number}"
        number += 1
    return found
