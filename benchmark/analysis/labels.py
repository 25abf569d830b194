"""Names of runs that distinguish those of one explainer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.results import DESCRIPTIVE, Run, RunRecord

ABSENT = "unset"
UNVERIFIED = "unverified"


def run_labels(runs: Sequence[Run]) -> list[str]:
    """Return the labels of runs; the ones whose numbers nobody has verified say so."""
    named = labels([run.record for run in runs])
    return [marked_label(label, run.unverified) for label, run in zip(named, runs, strict=True)]


def marked_label(label: str, unverified: str) -> str:
    """Return a label with a mark, where there is a reason why the run is unverified."""
    return f"{label} ({UNVERIFIED})" if unverified else label


def labels(records: Sequence[RunRecord]) -> list[str]:
    """Return one label a run: the explainer's name, and what sets it apart from others so named.

    That is the class where classes differ, then the options in which they differ, and the run's id
    where even those are the same. Copies of one run that were scored in two ways are numbered.
    """
    found = [
        _label(record, [other for other in records if _name(other) == _name(record)])
        for record in records
    ]
    return [
        f"{label} #{found[: place + 1].count(label)}" if found.count(label) > 1 else label
        for place, label in enumerate(found)
    ]


def identity(record: RunRecord) -> str:
    """Return what makes two runs be of one explainer on any subject: name, class, options."""
    explainer = record.explainer
    return json.dumps([explainer.name, explainer.target, _options(record)], sort_keys=True)


def _name(record: RunRecord) -> str:
    """Return the explainer's name, with that of a simulator of its own."""
    by = f" simulated by {record.simulator.name}" if record.simulator is not None else ""
    return f"{record.explainer.name}{by}"


def _label(record: RunRecord, others: Sequence[RunRecord]) -> str:
    name = _name(record)
    if len(others) == 1:
        return name
    parts = []
    targets = {other.explainer.target for other in others}
    if len(targets) > 1:
        parts.append(record.explainer.target.rpartition(".")[2])
    settings = [_options(other) for other in others]
    own = _options(record)
    for key in sorted({key for each in settings for key in each}):
        if len({_shown(each.get(key, ABSENT)) for each in settings}) > 1:
            parts.append(f"{key}={_shown(own.get(key, ABSENT))}")
    if sum(identity(other) == identity(record) for other in others) > 1:
        parts.append(record.run_id)
    return f"{name} ({', '.join(parts)})" if parts else name


def _options(record: RunRecord) -> dict[str, Any]:
    """Return the explainer's options, those inside others dotted, and those of the simulator."""
    flat: dict[str, Any] = {}
    _flatten(record.explainer.options, "", flat)
    if record.simulator is not None:
        own = {"name": record.simulator.target}
        _flatten(record.simulator.options, "", own)
        flat |= {f"simulator.{key}": value for key, value in own.items()}
    return flat


def _flatten(options: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    for key, value in options.items():
        if not prefix and key in (*DESCRIPTIVE, "_target_"):
            continue
        if isinstance(value, Mapping) and value:
            _flatten(value, f"{prefix}{key}.", flat)
        else:
            flat[f"{prefix}{key}"] = value


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
