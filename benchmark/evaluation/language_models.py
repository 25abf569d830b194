"""Explainers and simulators of a run with the language models that they ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from benchmark.config.run_config import RunConfig
from benchmark.evaluation.experiment import cache_folder
from benchmark.evaluation.explain import build_explainer
from benchmark.evaluation.simulators import is_own, with_simulator
from benchmark.interface import Explainer
from benchmark.llm.handing import MakeModel, chosen_identity, hand_over, without_model
from benchmark.plugins.making import imported_class
from benchmark.plugins.objects import TARGET


def explainer_of(config: RunConfig, make: MakeModel | None = None) -> Explainer:
    """Return the explainer of a run, with its simulator, and both with their language models.

    Args:
        config: of the run.
        make: makes other models, such as some that only count; see `hand_over`.

    Raises:
        BenchmarkError: one of them cannot be made, or asks a language model and none is chosen.
    """
    explainer = build_explainer(config.explainer)
    give_model(explainer, "explainer", config.explainer, config, make=make)
    return with_simulator(
        explainer,
        config.simulator,
        lambda simulator: give_model(simulator, "simulator", config.simulator, config, make=make),
    )


def give_model(
    asking: object,
    kind: str,
    options: Mapping[str, Any],
    config: RunConfig,
    trust: Collection[str] | None = None,
    make: MakeModel | None = None,
) -> None:
    """Give an explainer or a simulator its language model; nothing if it asks none.

    Raises:
        BenchmarkError: it asks one and none is chosen.
    """
    hand_over(asking, kind, options, config.llm, cache_folder(config), trust, make)


def models_identity(config: RunConfig) -> dict[str, Any]:
    """Return what language models add to a run's identity; nothing where none is asked.

    Raises:
        BenchmarkError: a local model is not there.
    """
    groups = {"explainer": config.explainer, "simulator": config.simulator}
    found = {
        kind: chosen_identity(kind, options, config.llm)
        for kind, options in groups.items()
        if not is_own(options) and asks_model(options, kind)
    }
    return {"llm": found} if found else {}


def options_identity(options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return options as a run's identity has them: what `models_identity` says is left out."""
    return without_model(options) if asks_model(options, kind) else dict(options)


def asks_model(options: Mapping[str, Any], kind: str) -> bool:
    """Return whether the class that options name asks a language model."""
    target = str(options[TARGET])
    asking = imported_class(target, kind, f"'{target}'")
    return callable(getattr(asking, "use_language_model", None))
