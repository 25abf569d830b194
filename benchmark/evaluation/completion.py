"""Completion of configurations: what the explainer leaves open of simulator and neurons."""

from __future__ import annotations

import dataclasses
from typing import Any

from benchmark.config.catalogue import find
from benchmark.config.run_config import RunConfig, listed_neurons
from benchmark.errors import BenchmarkError
from benchmark.evaluation.explain import build_explainer, name_of
from benchmark.evaluation.simulators import is_own, simulates_itself
from benchmark.interface import Explainer

SIMULATORS = {"local": "all_at_once", "openai": "json"}
"""The simulator of texts where none is chosen, by the kind of language model."""


def completed(config: RunConfig) -> RunConfig:
    """Return a configuration with what its explainer leaves open.

    Explanations that are text need a simulator: where none is chosen it is the one that suits the
    run's language model, `all_at_once` for `llm=local` and `json` for `llm=openai`. An explainer
    that knows about certain neurons alone says so by `named_neurons()`, and where no neurons are
    listed the run is about these.

    Raises:
        BenchmarkError: the explainer cannot be made, or says no names of neurons.
    """
    explainer = build_explainer(config.explainer)
    changes: dict[str, Any] = {}
    simulator = SIMULATORS.get(str(config.llm.get("name")))
    if is_own(config.simulator) and simulator is not None and not simulates_itself(explainer):
        changes["simulator"] = dict(find("simulator", simulator).config)
    if config.neurons.list is None:
        named = _named_neurons(explainer, config.neurons.layers)
        if named is not None:
            changes["neurons"] = dataclasses.replace(config.neurons, list=named)
    return dataclasses.replace(config, **changes) if changes else config


def _named_neurons(explainer: Explainer, layers: list[int] | None) -> list[list[int]] | None:
    names = getattr(explainer, "named_neurons", None)
    if not callable(names):
        return None
    known = listed_neurons(list(names()))
    kept = [[layer, neuron] for layer, neuron in known if layers is None or layer in layers]
    if not kept:
        raise BenchmarkError(
            f"explainer '{name_of(explainer)}' knows no neuron of layers {layers}; it has some of "
            f"layers {sorted({layer for layer, _ in known})}."
        )
    return kept
