"""Transluce's explanations: for each sign candidates, with simulations by split.

A neuron is explained twice, where it is positive and where it is negative; each sign is a method
of its own. Of several candidates the first is taken, unless a split for choosing is recorded
beside one for testing: then the best on the first is scored on the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.importing.entries import Entry, Sequence
from benchmark.importing.fields import Fields
from benchmark.importing.openai import RECORDED, sequences_of
from benchmark.results.columns import TOP, TOP_AND_RANDOM

CHOSEN_ON, TESTED_ON = ("valid", "random_valid"), ("test", "random_test")
LAYERS, NEURONS = ("layer", "layer_index"), ("neuron", "neuron_index")


def entries(data: Any, where: str) -> Iterator[Entry]:
    """Yield the explanation of each sign of a neuron.

    Raises:
        BenchmarkError: the object is no such record.
    """
    record = Fields(data, where)
    unit = record.fields("neuron_id")
    layer, neuron = _index(unit, LAYERS), _index(unit, NEURONS)
    signs = record.named("explanations")
    found = False
    for sign, candidates in signs.items():
        if not candidates:
            continue
        found = True
        listed = Fields({sign: candidates}, f"{where}: explanations").objects(sign)
        chosen, splits = _chosen(listed)
        simulations = chosen.fields("simulations") if "simulations" in chosen else None
        sequences: list[Sequence] = []
        scores: dict[str, float] = {}
        for split in splits:
            assert simulations is not None
            simulation = simulations.fields(split)
            recorded = simulation.named("simulation_data")
            records = [
                Fields(one, f"{simulation.where}: simulation_data[{key}]")
                for key, one in recorded.items()
            ]
            sequences += sequences_of(records, split)
            scores |= {f"{split}_{name}": simulation.number(name) for name in RECORDED}
        random = any(split.startswith("random") for split in splits)
        method = "transluce" if sign in ("pos", "positive", "1", "+") else f"transluce_{sign:.20}"
        yield Entry(
            layer,
            neuron,
            chosen.text("explanation"),
            method,
            where,
            site="MLP neurons after their nonlinearity",
            sequences=tuple(sequences),
            scoring_set=TOP_AND_RANDOM if random else TOP,
            scores=scores,
        )
    if not found:
        raise BenchmarkError(f"{where} has no explanation of any sign.")


def _index(unit: Fields, names: tuple[str, ...]) -> int:
    return unit.index(next((name for name in names if name in unit), names[0]))


def _chosen(candidates: list[Fields]) -> tuple[Fields, list[str]]:
    """Return a candidate and the splits that it is scored on."""
    splits = list(candidates[0].named("simulations")) if "simulations" in candidates[0] else []
    tested = [split for split in TESTED_ON if split in splits]
    chosen_on = [split for split in CHOSEN_ON if split in splits]
    if len(candidates) == 1 or not tested or not chosen_on:
        return candidates[0], splits
    best = max(candidates, key=lambda one: _score(one, chosen_on[0]))
    return best, tested


def _score(candidate: Fields, split: str) -> float:
    """Return the recorded correlation of a candidate on a split; minus infinity for none."""
    if "simulations" not in candidate or split not in candidate.fields("simulations"):
        return -math.inf
    value = candidate.fields("simulations").fields(split).number(RECORDED[0])
    return -math.inf if math.isnan(value) else value
