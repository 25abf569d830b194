"""Neuronpedia's explanations: exports, an object a line, and features as its site gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.importing.entries import Entry
from benchmark.importing.fields import Fields

EXPLANATIONS, SCORES = "explanations", "scores"
_LAYER = re.compile(r"(\d{1,9})(?:-(.+))?")


def entries(data: Any, where: str) -> Iterator[Entry]:
    """Yield the explanation of a line, or those of a feature.

    Raises:
        BenchmarkError: the object is neither.
    """
    record = Fields(data, where)
    maximum = record.number("maxActApprox")
    if EXPLANATIONS in record:
        outer = {name: record.value(name) for name in ("modelId", "layer", "index")}
        for at, one in enumerate(record.items(EXPLANATIONS)):
            inner = f"{where}: {EXPLANATIONS}[{at}]"
            if not isinstance(one, dict):
                raise BenchmarkError(f"{inner} is no explanation.")
            yield _entry(Fields({**outer, **one}, inner), maximum)
        return
    yield _entry(record, maximum)


def _entry(record: Fields, maximum: float) -> Entry:
    text = record.text("description")
    layer, source = _layer(record)
    made_by = [record.text(name, "") for name in ("typeName", "explanationModelName")]
    return Entry(
        layer,
        record.index("index"),
        text,
        "_".join(["neuronpedia", *filter(None, made_by)]),
        record.where,
        subject=record.text("modelId"),
        site=source,
        scores=_scores(record),
        max_activation=maximum if maximum > 0 else None,
    )


def _layer(record: Fields) -> tuple[int, str]:
    """Return the layer and the source in `3-res-jb`; a neuron's is the layer alone."""
    value = record.value("layer")
    found = _LAYER.fullmatch(str(value)) if isinstance(value, str | int) else None
    if found is None:
        raise BenchmarkError(f"{record.where}: layer is {value!r:.40}, not such as '3' or '3-mlp'.")
    return int(found[1]), found[2] or "mlp neurons"


def _scores(record: Fields) -> dict[str, float]:
    found: dict[str, float] = {}
    for score in record.objects(SCORES) if SCORES in record else []:
        named = [score.text(f"explanationScore{one}Name", "") for one in ("Type", "Model")]
        found.setdefault("_".join(filter(None, named)) or "score", score.number("value"))
    return found
