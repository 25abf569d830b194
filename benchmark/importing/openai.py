"""OpenAI's records of simulated and true activations (Bills et al. 2023), a neuron each.

`data/explanations/{layer}/{neuron}.jsonl` of the public data set: explanations that GPT-4 wrote,
and simulations of five of the neuron's strongest sequences and five random ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.importing.entries import Entry, Sequence
from benchmark.importing.fields import Fields

METHOD = "gpt4_sentence"
LEVELS = 10
SIMULATED = "simulated_normalized_activations"
RECORDED = ("ev_correlation_score", "rsquared_score", "absolute_dev_explained_score")


def entries(data: Any, where: str) -> Iterator[Entry]:
    """Yield the first explanation of a neuron with its simulations.

    A neuron may have several explanations; choosing the best by its score would flatter it.

    Raises:
        BenchmarkError: the object is no such record.
    """
    record = Fields(data, where)
    unit = record.fields("neuron_id")
    layer, neuron = unit.index("layer_index"), unit.index("neuron_index")
    scored = record.objects("scored_explanations")
    if not scored:
        raise BenchmarkError(f"{where} has no explanation: its 'scored_explanations' is empty.")
    simulation = scored[0].fields("scored_simulation")
    yield Entry(
        layer,
        neuron,
        scored[0].text("explanation"),
        METHOD,
        where,
        site="MLP neurons after their nonlinearity",
        sequences=sequences_of(simulation.objects("scored_sequence_simulations")),
        scores={name: simulation.number(name) for name in RECORDED},
    )


def sequences_of(records: list[Fields], kind: str = "") -> tuple[Sequence, ...]:
    """Return recorded simulations of sequences, predictions in raw units.

    Predictions that are recorded as levels from 0 to 10 are taken to have the largest true
    activation of these sequences as their 10.

    Raises:
        BenchmarkError: a record is no such simulation, or its parts have unequal lengths.
    """
    found, levels = [], []
    for record in records:
        simulation = record.fields("simulation")
        tokens = simulation.texts("tokens")
        truth = record.numbers("true_activations")
        predicted = simulation.numbers("expected_activations")
        if not len(tokens) == len(truth) == len(predicted):
            raise BenchmarkError(
                f"{record.where} has {len(tokens)} tokens, {len(truth)} true and "
                f"{len(predicted)} expected activations."
            )
        found.append(Sequence(tokens, truth, predicted, kind))
        levels.append(simulation.text("activation_scale", "") == SIMULATED)
    known = [value for one in found for value in one.truth if not math.isnan(value)]
    unit = max(0.0, max(known, default=0.0)) / LEVELS or 1.0
    return tuple(
        Sequence(one.tokens, one.truth, tuple(unit * each for each in one.predicted), one.kind)
        if is_level
        else one
        for one, is_level in zip(found, levels, strict=True)
    )
