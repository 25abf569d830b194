"""Checks the words after `run` before Hydra sees them, and fills in what follows from them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.config.catalogue import GROUPS, OF_CLASSES, find
from benchmark.config.keys import check_keys
from benchmark.config.values import quoted
from benchmark.errors import BenchmarkError


def prepare_overrides(words: Sequence[str], *, sweep: bool) -> list[str]:
    """Overrides that Hydra composes, from what the user wrote.

    Names of groups and keys are checked; a model brings its own default corpus; a bare
    `explainer._target_=...` becomes the `custom` explainer, `simulator._target_=...` likewise.

    Raises:
        BenchmarkError: a word is no override, or names something that is not there.
    """
    for word in words:
        key, separator, _ = word.partition("=")
        if not key or (not separator and not key.startswith("~")):
            raise BenchmarkError(
                f"'{word}' is not an override; write key=value, for example explainer=token_lookup."
            )
    # Options of a scorer that was added, which Hydra does not know beforehand.
    words = [f"++{word}" if word.startswith("scorers.") else word for word in words]
    words = [quoted(word, sweep=sweep) for word in words]
    chosen = {group: _choices(words, group, sweep) for group in GROUPS}
    for group, names in chosen.items():
        for name in names:
            find(group, name)
    for group in OF_CLASSES:
        if not chosen[group] and any(word.startswith(f"{group}._target_=") for word in words):
            words.insert(0, f"{group}=custom")
            chosen[group] = ["custom"]
    if not chosen["dataset"] and chosen["model"]:
        dataset = _default_dataset(chosen["model"])
        words.insert(0, f"dataset={dataset}")
        chosen["dataset"] = [dataset]
    check_keys(words, chosen)
    return words


def _choices(words: Sequence[str], group: str, sweep: bool) -> list[str]:
    """The names a group is given, the last time it is; several only in a sweep."""
    names: list[str] = []
    for word in words:
        key, _, value = word.partition("=")
        if key != group:
            continue
        if not sweep and "," in value:
            raise BenchmarkError(f"{group}={value} names several; add -m to run one after another.")
        names = [name.strip(" '\"") for name in value.split(",")]
    return names


def _default_dataset(models: Sequence[str]) -> str:
    defaults = {name: find("model", name).config.get("dataset") for name in models}
    without = [name for name, dataset in defaults.items() if not dataset]
    if without:
        raise BenchmarkError(
            f"model '{without[0]}' has no corpus of its own; name one: dataset=stdlib, "
            "dataset=text dataset.path=<file or folder>, or dataset=hub dataset.repo=<hub id>."
        )
    if len(set(defaults.values())) > 1:
        listed = ", ".join(f"{name}: {dataset}" for name, dataset in defaults.items())
        raise BenchmarkError(
            f"these models have different corpora ({listed}); name one with dataset=..."
        )
    return str(next(iter(defaults.values())))
