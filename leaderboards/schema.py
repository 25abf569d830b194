"""JSON Schemas of what a submission holds, generated from the typed records.

`python -m leaderboards.schema` writes those of the current version; those of earlier versions stay
as they were published, so that a submission is held against the schema it was written by.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.atomic import write_text
from benchmark.results import SCHEMA_VERSION, RunRecord, SavedExplanation

FOLDER = Path(__file__).parent / "schemas"
RUN, EXPLANATION = "run", "explanation"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

_RECORDS: dict[str, type[Any]] = {RUN: RunRecord, EXPLANATION: SavedExplanation}
_TITLES = {
    RUN: "run.json of the neuron simulator benchmark",
    EXPLANATION: "a line of explanations.jsonl of the neuron simulator benchmark",
}
# What reading can do without and a submission cannot.
_SUBMITTED = {
    RUN: (
        "schema_version",
        "benchmark_version",
        "config",
        "environment",
        "files",
        "neurons",
        "seeds",
        "summary",
    ),
    EXPLANATION: (),
}


def generate(kind: str) -> dict[str, Any]:
    """The JSON Schema of `run` or `explanation` in the current version."""
    from pydantic import TypeAdapter

    found = _tidy(TypeAdapter(_RECORDS[kind]).json_schema())
    if kind == RUN:
        found["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    required = list(dict.fromkeys([*found.get("required", []), *_SUBMITTED[kind]]))
    return {
        "$schema": DRAFT,
        "title": f"{_TITLES[kind]}, version {SCHEMA_VERSION}",
        **{key: value for key, value in found.items() if key != "required"},
        "required": required,
    }


def path_of(kind: str, version: int = SCHEMA_VERSION) -> Path:
    """The file of a published schema."""
    return FOLDER / f"{kind}-{version}.json"


def load(kind: str, version: int) -> dict[str, Any]:
    """The published schema of a version.

    Raises:
        BenchmarkError: there is none of that version.
    """
    path = path_of(kind, version)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = sorted(
            int(other.stem.rpartition("-")[2]) for other in FOLDER.glob(f"{kind}-*.json")
        )
        raise BenchmarkError(
            f"there is no schema of version {version}; published are "
            f"{', '.join(map(str, known))}. A record of a later version needs a newer "
            "neuron-simulator-benchmark."
        ) from None


def validate(data: Any, kind: str, version: int, where: str) -> None:
    """Hold a value against the schema of a version.

    Raises:
        BenchmarkError: it does not fit; the message names the place and what is wrong there.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    validator = Draft202012Validator(load(kind, version))
    error = best_match(validator.iter_errors(data))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "the whole"
        raise BenchmarkError(
            f"{where} does not fit the schema {path_of(kind, version).name}: {place}: "
            f"{error.message[:300]}"
        )


def _tidy(value: Any) -> Any:
    """Without the titles and defaults that are only the names of fields again."""
    if isinstance(value, list):
        return [_tidy(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "properties" in value:
        value = {
            **value,
            "properties": {name: _tidy(entry) for name, entry in value["properties"].items()},
        }
    return {
        key: entry if key == "properties" else _tidy(entry)
        for key, entry in value.items()
        if key not in ("title", "default")
    }


def main() -> None:
    """Write the schemas of the current version."""
    FOLDER.mkdir(exist_ok=True)
    for kind in _RECORDS:
        text = json.dumps(generate(kind), indent=2, ensure_ascii=False)
        write_text(path_of(kind), f"{text}\n")
        sys.stdout.write(f"written: {path_of(kind)}\n")


if __name__ == "__main__":
    main()
