"""Rows of scores and lines of explanations or failures, one of each per neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.results.blocks import Key
from benchmark.results.encoding import explanation_text, plain
from benchmark.results.scores import FAILED, LARGEST_INDEX, OK


@dataclass(frozen=True)
class SavedExplanation:
    """A line of `explanations.jsonl`: either `explanation` (status `ok`) or `error` (`failed`)."""

    layer: int
    neuron: int
    status: str
    explanation: dict[str, Any] | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """Return the neuron's name, such as `3.400`."""
        return f"{self.layer}.{self.neuron}"


def explanation_line(
    layer: int,
    neuron: int,
    explanation: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """Return the line of one neuron: what its explanation's `to_dict` gave, or why there is none.

    Raises:
        ValueError: not exactly one of the two is given.
    """
    if (explanation is None) == (error is None):
        raise ValueError("a line holds either an explanation or an error")
    if explanation is None:
        return {"layer": layer, "neuron": neuron, "status": FAILED, "error": _writable(error)}
    return {"layer": layer, "neuron": neuron, "status": OK, "explanation": explanation}


def parse_line(data: Any) -> SavedExplanation:
    """Return a line of `explanations.jsonl` as read from JSON.

    Raises:
        ValueError: it is no such line.
    """
    if not isinstance(data, Mapping):
        raise ValueError("not the line of an explanation: no object")
    layer, neuron, status = data.get("layer"), data.get("neuron"), data.get("status")
    for name, number in (("layer", layer), ("neuron", neuron)):
        if not is_index(number):
            raise ValueError(f"not the line of an explanation: {name} {number!r:.60}")
    assert isinstance(layer, int)
    assert isinstance(neuron, int)
    if status == OK and isinstance(data.get("explanation"), Mapping):
        return SavedExplanation(layer, neuron, OK, explanation=dict(data["explanation"]))
    if status == FAILED and isinstance(data.get("error"), str):
        return SavedExplanation(layer, neuron, FAILED, error=data["error"])
    raise ValueError(f"not the line of an explanation: status {status!r:.60}")


def is_index(number: object) -> bool:
    """Return whether a value is the number of a layer or a neuron."""
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= LARGEST_INDEX


def checked_block(
    rows: Sequence[Mapping[str, Any]], explanations: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[tuple[Key, str]]]:
    """Return the rows as JSON values, and each explanation's line under (layer, neuron).

    Raises:
        BenchmarkError: an explanation is not JSON.
        ValueError: rows and lines are not about the same neurons, each once and with one status.
    """
    kept = [_checked_row(plain(row, "row")) for row in rows]
    statuses = {(row["layer"], row["neuron"]): row["status"] for row in kept}
    lines: dict[Key, str] = {}
    for entry in explanations:
        saved = parse_line(entry)
        key = (saved.layer, saved.neuron)
        if statuses.get(key) != saved.status:
            raise ValueError(f"(layer, neuron) {key} has no row with status '{saved.status}'")
        try:
            lines[key] = explanation_text(
                explanation_line(*key, explanation=saved.explanation, error=saved.error)
            )
        except BenchmarkError as error:
            raise BenchmarkError(f"layer {key[0]}, neuron {key[1]}: {error}") from error
    if not len(kept) == len(statuses) == len(lines) == len(explanations):
        raise ValueError(
            f"{len(kept)} rows and {len(explanations)} explanations are not about the same "
            f"neurons, each once"
        )
    return kept, list(lines.items())


def _checked_row(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("layer", "neuron"):
        if not isinstance(row.get(name), int):
            raise ValueError(f"a row needs a whole number as '{name}': {row!r:.200}")
    status, error = row.get("status"), row.get("error")
    if status not in (OK, FAILED) or (status == FAILED) != bool(error):
        raise ValueError(
            f"a row is '{OK}' without error or '{FAILED}' with one, found {status!r}, {error!r}"
        )
    return {**row, "error": _writable(error)} if error else row


def _writable(error: object) -> str:
    """Return the text of an error, which may quote a broken text, as UTF-8 can hold it."""
    return str(error).encode("utf-8", "replace").decode("utf-8")
