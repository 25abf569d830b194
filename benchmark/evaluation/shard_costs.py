"""Measured costs of shards: what capturing a token and explaining a neuron took, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, unknown
from benchmark.files.atomic import storage_errors, write_text
from benchmark.files.reading import read_json
from benchmark.results.columns import cost_column

if TYPE_CHECKING:
    from benchmark.results.records import RunRecord

SHIPPED = Path(__file__).with_suffix(".json")
CAPTURE_SECONDS, CAPTURE_TOKENS = "capture_seconds", "capture_tokens"
THREADS = "threads"
BLOCK_SECONDS, BLOCK_NEURONS = "block_seconds", "block_neurons"
CAPTURE_FLOP, QUERY_FLOP = "capture_flop_per_token", "query_flop_per_token"
QUERIED = cost_column("subject_tokens")


@dataclass(frozen=True)
class ShardCosts:
    """What one finished run took.

    Attributes:
        explainer: its name.
        evidence: such as `exemplars+sample`.
        subject: its name.
        machine: processor or GPU, and the day.
        capture_rate: operations of the subject a second while activations are captured, with all
            that is kept of them and written.
        capture_tokens: on how many tokens that was measured.
        neuron_seconds: of one worker, to explain a neuron, simulate it and score it.
        neurons: on how many neurons that was measured.
        query_tokens: subject tokens that the explainer asked for, of a neuron.
        query_flop: operations of such a token, the mean over layers.
    """

    explainer: str
    evidence: str
    subject: str
    machine: str
    capture_rate: float
    capture_tokens: int
    neuron_seconds: float
    neurons: int
    query_tokens: float
    query_flop: float

    @property
    def own_seconds(self) -> float:
        """Return the seconds of a neuron but for the subject's, as if these ran at capture's rate.

        What an explainer and the scores take themselves, whatever the subject is.
        """
        asked = self.query_tokens * self.query_flop / self.capture_rate
        return max(0.0, self.neuron_seconds - asked)


def costs_of(record: RunRecord) -> ShardCosts:
    """Return what a finished run took.

    Raises:
        BenchmarkError: it says too little: it found its activations in the cache, was continued
            from saved blocks alone, or is of an earlier version.
    """
    timings = record.timings
    needed = (
        *(CAPTURE_SECONDS, CAPTURE_TOKENS, CAPTURE_FLOP, QUERY_FLOP),
        *(BLOCK_SECONDS, BLOCK_NEURONS, THREADS),
    )
    if not all(timings.get(name) for name in needed):
        raise BenchmarkError(
            f"run '{record.run_id}' does not say what its shards took: it found activations or "
            "blocks that were made before, or is of an earlier version; run it again with "
            "fresh=true and an empty cache_dir=... ."
        )
    asked = record.metric(QUERIED)
    environment, threads = record.environment, int(timings[THREADS])
    where = f"{environment.cpu}, {threads} {'thread' if threads == 1 else 'threads'}"
    if record.subject.device != "cpu" and environment.gpus:
        where = environment.gpus[0]
    workers = int(timings.get("workers", 1))
    return ShardCosts(
        explainer=record.explainer.name,
        evidence=str(record.explainer.evidence),
        subject=record.subject.name,
        machine=f"{where}, {record.finished[:10]}",
        capture_rate=timings[CAPTURE_FLOP]
        * timings[CAPTURE_TOKENS]
        / (timings[CAPTURE_SECONDS] * workers),
        capture_tokens=int(timings[CAPTURE_TOKENS]),
        neuron_seconds=timings[BLOCK_SECONDS] / timings[BLOCK_NEURONS],
        neurons=int(timings[BLOCK_NEURONS]),
        query_tokens=float(asked.mean or 0) if asked is not None else 0.0,
        query_flop=float(timings[QUERY_FLOP]),
    )


def read_costs(path: Path = SHIPPED) -> dict[str, ShardCosts]:
    """Return measured costs by the name of the explainer.

    Raises:
        BenchmarkError: the file is not there, or not one of `write_costs`.
    """
    data = read_json(path) if path.exists() else None
    try:
        if not isinstance(data, dict):
            raise TypeError
        return {str(name): _from(one) for name, one in data.items()}
    except TypeError as error:
        raise BenchmarkError(f"'{path}' does not hold costs of shards.") from error


def write_costs(path: Path, costs: ShardCosts) -> None:
    """Put costs into a file, instead of those of the same explainer.

    Raises:
        BenchmarkError: the file cannot be written, or holds something else.
    """
    every = {**(read_costs(path) if path.exists() else {}), costs.explainer: costs}
    data = {name: asdict(one) for name, one in sorted(every.items())}
    with storage_errors(path.parent):
        write_text(path, json.dumps(data, indent=2) + "\n")


def costs_named(name: str, known: Mapping[str, ShardCosts]) -> ShardCosts:
    """Return the costs of an explainer.

    Raises:
        BenchmarkError: none were measured.
    """
    if name not in known:
        hint = "measure others: forecast --run <a finished run>"
        raise unknown("cost of explainer", name, known, hint)
    return known[name]


def _from(data: Any) -> ShardCosts:
    kinds: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
    if not isinstance(data, dict) or {one.name for one in fields(ShardCosts)} != data.keys():
        raise TypeError
    for one in fields(ShardCosts):
        if not isinstance(data[one.name], kinds[str(one.type)]):
            raise TypeError
    if data["capture_rate"] <= 0:
        raise TypeError
    return ShardCosts(**data)
