"""Comparison of two folders of runs, bit for bit: `python -m tests.same_scores before after`.

Made before and after a change that must not change a number. Runs are matched by subject, corpus,
explainer, its options, metrics and neurons, whatever their ids; every column of scores.parquet but
the costs must hold the same bits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Runs = dict[str, Path]
# Options that an explainer gained or lost since; none at present.
IGNORED_OPTIONS = ("description",)


def key_of(record: dict[str, Any]) -> str:
    """Return what two runs must have in common to be compared."""
    explainer, config = record["explainer"], record["config"]
    options = {k: v for k, v in explainer["options"].items() if k not in IGNORED_OPTIONS}
    return json.dumps(
        [
            record["subject"]["fingerprint"],
            record["corpus"]["fingerprint"],
            explainer["name"],
            options,
            config["metrics"],
            config["calibration"],
            record["neurons"]["per_layer"],
        ],
        sort_keys=True,
    )


def runs_below(folder: Path) -> Runs:
    """Return the finished runs below a folder by their keys."""
    return {key_of(json.loads(path.read_text())): path.parent for path in folder.rglob("run.json")}


def differences(before: Path, after: Path) -> tuple[int, list[str]]:
    """Return how many columns are equal, and the names of those that are not or are absent."""
    old, new = (pq.read_table(folder / "scores.parquet") for folder in (before, after))
    names = [name for name in old.column_names if not name.startswith("cost/")]
    wrong = [name for name in names if name not in new.column_names]
    wrong += [name for name in names if name not in wrong and _bits(old, name) != _bits(new, name)]
    return len(names) - len(wrong), wrong


def _bits(table: pa.Table, name: str) -> list[Any]:
    """Return the values of a column with every float spelt out, so that NaN equals NaN."""
    return [_exact(value) for value in table.column(name).to_pylist()]


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return value.hex()
    return [_exact(entry) for entry in value] if isinstance(value, list) else value


def main() -> int:
    """Compare and print a line for each run; returns 1 if anything differs."""
    old, new = (runs_below(Path(folder)) for folder in sys.argv[1:3])
    status = 0
    for key, folder in sorted(old.items(), key=lambda item: str(item[1])):
        name = "/".join(folder.parts[-4:])
        if key not in new:
            print(f"{name}: no such run afterwards")
            status = 1
            continue
        equal, wrong = differences(folder, new[key])
        print(f"{name}: {equal} columns equal" + (f", DIFFERENT: {wrong}" if wrong else ""))
        status |= bool(wrong)
    print(f"{len(old)} runs compared")
    return status or not old


if __name__ == "__main__":
    sys.exit(main())
