"""`list`: what there is to choose from."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmark.cli.plugins import usable
from benchmark.config.catalogue import Entry, entries
from benchmark.errors import BenchmarkError, unknown
from benchmark.token_text import json_text, one_line

HELP = """\
usage: python -m benchmark list explainers|models|datasets|metrics [--json]

Lists what can be named on the command line of `run`.
"""

MARK = "† "

KINDS = ("explainers", "models", "datasets", "metrics")
SINGULAR = {"explainers": "explainer", "models": "model", "datasets": "dataset"}


def command(words: Sequence[str]) -> int:
    """Print one list, or all of them."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    names = [word for word in words if word != "--json"]
    for name in names:
        if name not in KINDS:
            raise unknown("kind of list", name, KINDS)
    if len(names) > 1:
        raise BenchmarkError(f"list takes one kind, not {len(names)}: {' '.join(names)}.")
    kinds = names or list(KINDS)
    found = {kind: rows(kind) for kind in kinds}
    if "--json" in words:
        content: Any = found[names[0]] if names else found
        sys.stdout.write(json_text(json.dumps(content, indent=2, ensure_ascii=False)) + "\n")
        return 0
    for kind in kinds:
        if len(kinds) > 1:
            sys.stdout.write(f"{kind}:\n")
        width = max((len(row["name"]) for row in found[kind]), default=0)
        for row in found[kind]:
            mark = MARK if row.get("sound") is False else ""
            description = one_line(row["description"])
            sys.stdout.write(f"  {row['name']:<{width}}  {mark}{description}\n")
        if any(row.get("sound") is False for row in found[kind]):
            sys.stdout.write(f"  {MARK}fails the sanity tests: nothing is ranked by it.\n")
    return 0


def rows(kind: str) -> list[dict[str, Any]]:
    """One kind as JSON-able rows with at least `name` and `description`."""
    if kind == "metrics":
        from metrics import METRICS

        return [_metric_row(name, metric) for name, metric in METRICS.items()]
    found = entries(SINGULAR[kind])
    if kind == "explainers":
        found, problems = usable(found)
        for problem in problems:
            sys.stderr.write(f"warning: {one_line(problem)}\n")
    # `custom` is how the command line reaches a class of one's own, not something to choose.
    return [_row(entry) for entry in found if entry.name != "custom"]


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "description": entry.description}
    for key in ("kind", "source", "repo", "evidence", "control"):
        if entry.config.get(key) is not None:
            row[key] = entry.config[key]
    if "_target_" in entry.config:
        row["target"] = entry.config["_target_"]
    return row


def _metric_row(name: str, metric: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": metric.description,
        "higher_is_better": metric.higher_is_better,
        "lower": metric.lower,
        "upper": metric.upper,
        "perfect": metric.perfect,
        "sound": metric.sound,
        "unsound": metric.unsound,
    }
