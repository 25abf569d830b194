"""Notices a misspelt key before Hydra does, and names the one that was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.config.catalogue import GROUPS, OF_CLASSES, defaults, find

CHECKED_BY_HYDRA = ("+", "~", "hydra.", "hydra/")


def check_keys(words: Sequence[str], chosen: Mapping[str, Sequence[str]]) -> None:
    """Check that every `key=value` names a key of the configuration.

    Args:
        words: the overrides as typed.
        chosen: for each group the names that were chosen; by default the tree's own choice.

    Raises:
        BenchmarkError: a key is not there, or not in each of several choices.
    """
    from benchmark.config.run_config import config_keys, unknown_key

    own = [key for key in config_keys() if key.split(".")[0] not in GROUPS]
    choices = {group: list(chosen.get(group) or [defaults()[group]]) for group in GROUPS}
    for word in words:
        key = word.partition("=")[0]
        if key in GROUPS or key.startswith(CHECKED_BY_HYDRA):
            continue
        group, _, inside = key.partition(".")
        if group not in GROUPS:
            if key not in own:
                raise unknown_key(key, [*own, *GROUPS])
            continue
        for name in choices[group]:
            of_choice = {f"{group}.{known}" for known in _flat(find(group, name).config)}
            hint = f" These are the keys of {group} '{name}'."
            if group in OF_CLASSES and inside:
                hint += f" Any other option of its class: +{word}"
            if key not in of_choice:
                raise unknown_key(key, of_choice, hint)


def _flat(config: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in config.items():
        yield f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
