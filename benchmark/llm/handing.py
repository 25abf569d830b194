"""Handing over of language models to explainers, simulators and scorers that ask one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from benchmark.errors import BenchmarkError
from benchmark.interface import LanguageModel, NeedsLanguageModel
from benchmark.llm.making import WAYS, language_model, llm_identity
from benchmark.llm.options import NO_MODEL, llm_options, own_config

MakeModel: TypeAlias = Callable[[Mapping[str, Any], str], LanguageModel]
OWN = "llm"  # the option of an explainer, a simulator or a scorer that names one of its own


def hand_over(
    asking: object,
    kind: str,
    options: Mapping[str, Any],
    shared: Mapping[str, Any],
    cache_folder: Path,
    trust: Collection[str] | None = None,
    make: MakeModel | None = None,
) -> None:
    """Give an explainer, a simulator or a scorer its language model; nothing if it asks none.

    Args:
        asking: the explainer, simulator or scorer.
        kind: which of them it is, for messages and keys: `simulator`, or `scorers.detection`.
        options: its config, in which `llm` may name a language model of its own.
        shared: the run's own config group `llm`.
        cache_folder: where answers are kept.
        trust: as `language_model` takes it.
        make: makes another model of the chosen config, such as one that only counts.

    Raises:
        BenchmarkError: it asks a language model and none is chosen.
    """
    if isinstance(asking, NeedsLanguageModel):
        config = chosen_config(kind, options, shared)
        model = language_model(config, cache_folder, trust) if make is None else make(config, kind)
        asking.use_language_model(model)


def chosen_config(
    kind: str, options: Mapping[str, Any], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the config of the language model that an explainer, simulator or scorer asks.

    Raises:
        BenchmarkError: none is chosen, or its own one is wrong.
    """
    own = options.get(OWN)
    if isinstance(own, Mapping):
        config = own_config(own, f"{kind}.{OWN}")
        llm_options(config, f"{kind}.{OWN}")
        return config
    if shared.get("name", NO_MODEL) == NO_MODEL:
        name = options.get("name") or str(options.get("_target_")).rpartition(".")[2]
        what = kind.partition(".")[0].removesuffix("s")
        raise BenchmarkError(f"{what} '{name}' asks a language model; {WAYS}.")
    return dict(shared)


def chosen_identity(
    kind: str, options: Mapping[str, Any], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what determines the answers of the language model that one asks; see `llm_identity`.

    Raises:
        BenchmarkError: as `chosen_config`, or a local model is not there.
    """
    return llm_identity(chosen_config(kind, options, shared))


def without_model(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without a language model of one's own, whose identity stands elsewhere."""
    own = isinstance(options.get(OWN), Mapping)
    return {name: None if own and name == OWN else value for name, value in options.items()}
