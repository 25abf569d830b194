"""`list`: what there is to choose from, and the options of a choice."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmark.cli.arguments import Parser
from benchmark.cli.options import options_of
from benchmark.cli.plugins import usable
from benchmark.config.catalogue import HINTS, Entry, entries
from benchmark.errors import BenchmarkError, unknown
from benchmark.token_text import json_text, one_line

ABOUT = """\
Lists what can be named on the command line of `run`; with a name, its options and their defaults.
"""
EXAMPLES = """\
python -m benchmark list explainers
python -m benchmark list explainers n2g         # its options
python -m benchmark list --options explainers   # the options of all of them
"""
MARK = "† "
KINDS = ("explainers", "simulators", "models", "datasets", "engines", "llms", "metrics")
OF_METRICS = ("description", "higher_is_better", "lower", "upper", "perfect", "sound", "unsound")
SINGULAR = {
    "explainers": "explainer",
    "simulators": "simulator",
    "models": "model",
    "datasets": "dataset",
    "engines": "engine",
    "llms": "llm",
}


def parser() -> Parser:
    """Return the parser of this verb."""
    made = Parser("list", ABOUT, examples=EXAMPLES)
    made.add_argument("kind", nargs="?", help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]}")
    made.add_argument("name", nargs="*", help="choices whose options are shown")
    made.add_argument("--options", action="store_true", help="show the options of every choice")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def command(words: Sequence[str]) -> int:
    """Print one list, or all of them, or the options of some choices."""
    given = parser().read(words)
    if given.kind is not None and given.kind not in KINDS:
        raise unknown("kind of list", given.kind, KINDS)
    if any(name in KINDS for name in given.name):
        kinds = [given.kind, *given.name]
        raise BenchmarkError(f"list takes one kind, not {len(kinds)}: {' '.join(kinds)}.")
    kinds = [given.kind] if given.kind else list(KINDS)
    found = {kind: rows(kind) for kind in kinds}
    for name in given.name:
        if name not in {row["name"] for row in found[given.kind]}:
            known = [row["name"] for row in found[given.kind]]
            singular = SINGULAR.get(given.kind, "metric")
            raise unknown(singular, name, known, HINTS.get(singular, ""))
    if given.name:
        found = {given.kind: [row for row in found[given.kind] if row["name"] in given.name]}
    if given.json:
        content: Any = found[given.kind] if given.kind else found
        sys.stdout.write(json_text(json.dumps(content, indent=2, ensure_ascii=False)) + "\n")
    elif given.options or given.name:
        for some in found.values():
            for row in some:
                _print_choice(row)
    else:
        _print_lists(found)
    return 0


def _print_lists(found: dict[str, list[dict[str, Any]]]) -> None:
    for kind, some in found.items():
        if len(found) > 1:
            sys.stdout.write(f"{kind}:\n")
        width = max((len(row["name"]) for row in some), default=0)
        for row in some:
            mark = MARK if row.get("sound") is False else ""
            description = one_line(row["description"])
            sys.stdout.write(f"  {row['name']:<{width}}  {mark}{description}\n")
        if any(row.get("sound") is False for row in some):
            sys.stdout.write(f"  {MARK}fails the sanity tests: nothing is ranked by it.\n")


def _print_choice(row: dict[str, Any]) -> None:
    from benchmark.terminal.table import print_rows, say

    say(f"{one_line(row['name'])}: {one_line(row['description'])}\n", indent=2)
    if "target" in row:
        sys.stdout.write(f"class {one_line(row['target'])}\n")
    options = row.get("options", [])
    if not options:
        sys.stdout.write("no options\n\n" if "higher_is_better" not in row else "\n")
        return
    cells = [[one["key"], one["default"], one["description"]] for one in options]
    print_rows(
        ["option", "default", "what it is"], cells, text_columns=3, folded=["default", "what it is"]
    )


def rows(kind: str) -> list[dict[str, Any]]:
    """Return one kind as JSON-able rows with at least `name` and `description`."""
    if kind == "metrics":
        from metrics import METRICS

        return [_metric_row(name, metric) for name, metric in METRICS.items()]
    found = entries(SINGULAR[kind])
    if kind == "explainers":
        found, problems = usable(found)
        for problem in problems:
            sys.stderr.write(f"warning: {one_line(problem)}\n")
    # `custom` is how the command line reaches a class of one's own, not something to choose.
    return [_row(SINGULAR[kind], entry) for entry in found if entry.name != "custom"]


def _row(group: str, entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "description": entry.description}
    for key in ("kind", "source", "repo", "evidence", "control"):
        if entry.config.get(key) is not None:
            row[key] = entry.config[key]
    if "_target_" in entry.config:
        row["target"] = entry.config["_target_"]
    row["options"] = [
        {"key": f"{group}.{one.name}", "default": one.default, "description": one.description}
        for one in options_of(group, entry)
    ]
    return row


def _metric_row(name: str, metric: Any) -> dict[str, Any]:
    return {"name": name, **{field: getattr(metric, field) for field in OF_METRICS}}
